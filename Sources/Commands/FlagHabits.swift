import Configuration

/// A name that other programs give an option, and the option or sentence that answers it.
struct FlagHabit {
  /// The names, with case and separators of no account.
  let names: [String]
  /// The option that is meant, without dashes; nil where there is none.
  let flag: String?
  /// What else there is to know; may be empty.
  let note: String

  init(_ names: String..., flag: String? = nil, note: String = "") {
    self.names = names
    self.flag = flag
    self.note = note
  }

  /// Names and their answers; an answer counts where the command has the option.
  static let all: [FlagHabit] = [
    FlagHabit(
      "out", "o", "out_dir", "output_dir", "output_path", "save_dir", "log_dir", "logdir",
      "results", "dest", "save", flag: "output"),
    FlagHabit(
      "name", "run_name", "exp_name", "experiment", "project", "exp", "run", flag: "output",
      note: "A run is named by its folder, as in --output checkpoints/NAME."),
    FlagHabit("cfg", "c", "conf", "config_file", "config_path", "yaml", "preset", flag: "config"),
    FlagHabit(
      "dataset", "data_dir", "data_path", "train_dir", "train_data", "images_dir", "input", "i",
      "d", "root", flag: "data"),
    FlagHabit("val", "valid", "val_dir", "val_data", "eval_data", "test", flag: "validation"),
    FlagHabit(
      "iterations", "iters", "max_steps", "num_steps", "max_iters", "total_steps",
      "train_steps", "n", flag: "steps"),
    FlagHabit("random_seed", flag: "seed"),
    FlagHabit(
      "continue", "restart", "resume_from", "resume_from_checkpoint", "load", flag: "resume",
      note: "Name the run's folder with --output."),
    FlagHabit(
      "pretrained", "weights", "finetune", "fine_tune", "init", "initial_checkpoint",
      "init_from_checkpoint", "pretrained_model", flag: "from"),
    FlagHabit("lr_find", "find_lr", "auto_lr_find", "lr_finder", flag: "find-rate"),
    FlagHabit("dry_run", "profile_memory", "time_estimate", "benchmark", flag: "estimate"),
    FlagHabit("profile", "profiler", flag: "trace"),
    FlagHabit("list_options", "keys", "print_config", "show_config", flag: "list-keys"),
    FlagHabit("override", "overrides", "opts", "option", "opt", "cfg_options", flag: "set"),
    FlagHabit("ckpt", "model", "weights", "model_path", "checkpoint_path", flag: "checkpoint"),
    FlagHabit("overwrite", "f", "yes", "y", flag: "force"),
    FlagHabit("shard_size", "chunk_size", flag: "shard"),
    FlagHabit("dtype", "type", "output_format", flag: "format"),
    FlagHabit(
      "image_size", "img_size", "imgsz", "resolution", "crop_size", "resize", "res",
      flag: "size"),
    FlagHabit("report", "page", "output_html", flag: "html"),
    FlagHabit("num_images", "limit", "max_images", "num_samples", flag: "images"),
    FlagHabit(
      "workers", "num_workers", "jobs", "j", "t", "cores", "cpus", "num_threads", "nproc",
      flag: "threads"),
    FlagHabit("silent", "q", "no_progress", "disable_progress_bar", flag: "quiet"),
    FlagHabit("verbose", "v", "debug", note: "Progress is always shown; --quiet turns it off."),
  ]

  /// The answer to a name, among the options that a command has.
  static func answering(_ name: String, options: [String]) -> FlagHabit? {
    all.first { habit in
      habit.names.contains { isSameWord($0, name) }
        && (habit.flag.map(options.contains) ?? true)
    }
  }
}
