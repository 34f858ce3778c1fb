import Files
import ArgumentParser
import Configuration
import Formatting
import Foundation
import Training

/// An option that a command does not have, and what to write in its place.
///
/// The parser names what is missing before it names what is misspelt; here the misspelt comes first.
struct UnknownOption {
  /// The option as it was typed, dashes included and without a value.
  let typed: String
  /// Its value, if it has one.
  let value: String?

  /// The options of a command, without dashes.
  private let options: [String]
  private let command: any ParsableCommand.Type
  /// The whole command line.
  private let arguments: [String]

  /// The first option of a command line that the command does not have; nil where all are known.
  init?(in arguments: [String], of command: any ParsableCommand.Type) {
    let options = Self.options(of: command)
    let parsers = ["help", "h", "version", "help-hidden"]
    for (index, argument) in arguments.enumerated() {
      if argument == "--" { return nil }
      guard argument.hasPrefix("-"), argument.count > 1, Double(argument) == nil else { continue }
      let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0].drop { $0 == "-" })
      let isLong = argument.hasPrefix("--")
      if isLong ? (options + parsers).contains(name) : parsers.contains(name) { continue }
      if name.hasPrefix("generate-completion-script") || name == "experimental-dump-help" {
        continue
      }
      typed = String(parts[0])
      let next = index + 1 < arguments.count ? arguments[index + 1] : nil
      value =
        parts.count > 1
        ? String(parts[1])
        : next.flatMap { $0.hasPrefix("-") && Double($0) == nil ? nil : $0 }
      self.options = options
      self.command = command
      self.arguments = arguments
      return
    }
    return nil
  }

  /// The options of a command, without dashes.
  static func options(of command: any ParsableCommand.Type) -> [String] {
    names(of: command) { _ in true }
  }

  /// Those options of a command that take no value, without dashes.
  static func flags(of command: any ParsableCommand.Type) -> [String] {
    names(of: command) { $0 == "flag" }
  }

  /// The names of the options of some kinds, as the parser describes them.
  private static func names(
    of command: any ParsableCommand.Type, where isWanted: (String) -> Bool
  ) -> [String] {
    guard case .object(let root)? = try? JSONValue(parsing: command._dumpHelp()),
      case .object(let object)? = root["command"], case .array(let all)? = object["arguments"]
    else { return [] }
    return all.flatMap { argument -> [String] in
      guard case .object(let argument) = argument, case .string(let kind)? = argument["kind"],
        isWanted(kind), case .array(let names)? = argument["names"]
      else { return [] }
      return names.compactMap {
        guard case .object(let name) = $0, case .string(let text)? = name["name"] else {
          return nil
        }
        return text
      }
    }
  }

  /// What is wrong, and what to do.
  var message: String {
    let name = CommandName.typed(command.configuration.commandName ?? "this command")
    return "\(VisibleText.line(typed)) is not an option of \(name). \(remedy)"
  }

  private var word: String { String(typed.drop { $0 == "-" }) }

  private var remedy: String {
    if let same = options.first(where: { isSameWord($0, word) }) {
      return "Did you mean --\(same)?"
    }
    let isTraining = command is TrainCommand.Type
    if let habit = FlagHabit.answering(word, options: options) {
      return [habit.flag.map { "Write --\($0)\(shownValue($0))." }, habit.note]
        .compactMap(\.self).filter { !$0.isEmpty }.joined(separator: " ")
    }
    if let habit = RunConfiguration.habits.first(where: { $0.answers(word) }) {
      if habit.path == nil { return habit.note }
      if isTraining { return setting(habit) }
    }
    if isTraining, let path = Self.path(named: word) { return "Write \(assignment(path))." }
    if let near = nearest(to: word, among: options) { return "Did you mean --\(near)?" }
    let keys = RunConfiguration.keys.map(\.path)
    if isTraining, let near = nearest(to: word, among: keys.map(Self.lastPart)) {
      let path = keys.first { Self.lastPart($0) == near } ?? near
      return "Did you mean \(assignment(path))?"
    }
    return "Its options: \(options.filter { $0 != "h" }.map { "--" + $0 }.joined(separator: ", "))."
  }

  /// The value as it stands behind an option.
  private func shownValue(_ flag: String) -> String {
    guard !Self.flags(of: command).contains(flag), let value else { return "" }
    return " " + shellQuoted(value)
  }

  /// What sets the key of a habit to the value that was typed.
  private func setting(_ habit: KeyHabit) -> String {
    guard let path = habit.path else { return habit.note }
    if path == "training.steps", habit.note.contains("epoch"), let steps = stepsOfEpochs {
      return steps
    }
    let note = habit.note.isEmpty ? "" : " " + habit.note
    if path == "training.steps" {
      let isEpochs = habit.note.contains("epoch")
      return "Write --steps \(isEpochs ? "N" : value.map(shellQuoted) ?? "N").\(note)"
    }
    return "Write \(assignment(path)).\(note)"
  }

  private func assignment(_ path: String) -> String {
    let value =
      switch value {
      case let value?: value
      case nil:
        RunConfiguration.keys.first { $0.path == path }?.kind == "true, false" ? "true" : "VALUE"
      }
    return "--set \(path)=\(shellQuoted(value))"
  }

  /// The steps of so many epochs, where the command line names a folder whose images can be counted.
  private var stepsOfEpochs: String? {
    guard let epochs = value.flatMap(Double.init), epochs > 0, epochs < 1e6,
      let count = TrainingImageCount(commandLine: arguments)
    else { return nil }
    let steps = (epochs * Double(count.images) / Double(count.batchSize)).rounded(.up)
    return "Write --steps \(Int(steps)): \(value!) epochs of \(Display.count(count.images)) images "
      + "in batches of \(count.batchSize)."
  }

  /// The key whose whole path or last part is a word, but for separators.
  private static func path(named word: String) -> String? {
    let paths = RunConfiguration.keys.map(\.path)
    return paths.first { $0 == word } ?? paths.first { isSameWord($0, word) }
      ?? paths.first { isSameWord(lastPart($0), word) }
  }

  private static func lastPart(_ path: String) -> String {
    path.split(separator: ".").last.map(String.init) ?? path
  }
}

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
