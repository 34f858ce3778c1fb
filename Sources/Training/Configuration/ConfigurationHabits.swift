import Configuration

extension RunConfiguration {
  /// What users of other programs write, and the key that stands for it.
  public static let habits: [KeyHabit] = [
    KeyHabit("lr", "learning_rate", "base_lr", "max_lr", path: "training.optimizer.learningRate"),
    KeyHabit("bs", "batch", "per_device_batch_size", "mini_batch", path: "training.batchSize"),
    KeyHabit(
      "epochs", "epoch", "num_epochs", "max_epochs", "n_epochs", path: "training.steps",
      note: "One epoch is as many steps as there are training images over training.batchSize."),
    KeyHabit(
      "iterations", "iters", "max_steps", "num_steps", "max_iters", "total_steps", "train_steps",
      path: "training.steps"),
    KeyHabit("wd", "l2_regularization", path: "training.optimizer.weightDecay"),
    KeyHabit(
      "optim", "optimizer_name", "optimizer_type", path: "training.optimizer.type"),
    KeyHabit("betas", path: "training.optimizer.beta1", note: "The other is beta2."),
    KeyHabit("eps", path: "training.optimizer.epsilon"),
    KeyHabit(
      "scheduler", "lr_scheduler", "lr_schedule", "decay", path: "training.schedule.type"),
    KeyHabit(
      "warmup_steps", "num_warmup_steps", "warmup_iters", path: "training.schedule.warmup"),
    KeyHabit("min_lr", "final_lr", "end_lr", path: "training.schedule.finalShare"),
    KeyHabit(
      "clip", "grad_clip", "clip_grad", "max_grad_norm", "gradient_clip_val", "clip_norm",
      path: "training.gradientClip"),
    KeyHabit("loss", "recon_loss", "loss_type", path: "training.reconstructionLoss"),
    KeyHabit("random_seed", path: "training.seed"),
    KeyHabit("ema", "use_ema", "model_ema", path: "training.averaging.ema"),
    KeyHabit("ema_rate", "model_ema_decay", path: "training.averaging.emaDecay"),
    KeyHabit(
      "grad_accum", "gradient_accumulation_steps", "accumulate_grad_batches",
      "micro_batch_size", path: "training.microBatch",
      note: "A batch of any size is computed in micro-batches: only training.batchSize changes "
        + "results."),
    KeyHabit(
      "workers", "num_workers", "jobs", "cores", "cpus", "nproc", path: "training.lanes",
      note: "Lanes are the threads that train; loading needs no workers."),
    KeyHabit(
      "size", "image_size", "img_size", "imgsz", "resolution", "crop_size", "input_size", "res",
      path: "data.imageSize"),
    KeyHabit(
      "dataset", "data_dir", "data_path", "train_dir", "train_data", "data_root", "root",
      path: "data.train"),
    KeyHabit("val", "val_dir", "val_data", "eval_data", "test", path: "data.validation"),
    KeyHabit("val_split", "test_size", "holdout", path: "data.validationShare"),
    KeyHabit("hflip", "horizontal_flip", "augment", path: "data.flip"),
    KeyHabit("cache", "cache_size", path: "data.cacheMegabytes"),
    KeyHabit(
      "codebook_size", "num_codes", "n_embed", "num_embeddings", "vocab_size", "codes",
      "n_codes", "k", path: "quantizer.codebookSize",
      note: "With type \"fsq\" it is the product of quantizer.levels."),
    KeyHabit(
      "embed_dim", "code_dim", "embedding_dim", "codebook_dim", "e_dim",
      path: "quantizer.codeDimension"),
    KeyHabit("quantizer_type", "quant", "vq_type", path: "quantizer.type"),
    KeyHabit("beta", "commitment_cost", "commitment", path: "quantizer.commitmentWeight"),
    KeyHabit("z_channels", "latent_dim", "latent_channels", path: "model.latentChannels"),
    KeyHabit(
      "ch_mult", "width", "base_channels", "hidden_dim", "ch", "dim", path: "model.channels",
      note: "One entry a level: each level after the first halves the grid."),
    KeyHabit("num_res_blocks", "depth", "n_layers", "layers", path: "model.blocksPerLevel"),
    KeyHabit("attn_resolutions", "attention", path: "model.attentionLevels"),
    KeyHabit(
      "log_interval", "log_freq", "log_every", "logging_steps", path: "monitor.logEvery"),
    KeyHabit(
      "eval_interval", "eval_every", "val_interval", "eval_steps", "val_check_interval",
      path: "monitor.evaluateEvery"),
    KeyHabit(
      "save_interval", "save_every", "save_steps", "ckpt_interval", "checkpoint_interval",
      path: "monitor.checkpointEvery"),
    KeyHabit(
      "wandb", "logger", "report_to", "tensorboard", path: "monitor.tensorBoard",
      note: "Every run also writes metrics.jsonl, and compare --html makes a page of it."),
    KeyHabit(
      "device", "gpu", "gpus", "cuda", "accelerator", "devices", "mps",
      note: "Training is on the CPU alone; training.lanes says how many cores it uses."),
    KeyHabit(
      "fp16", "amp", "bf16", "precision", "mixed_precision", "half", "dtype",
      note: "All numbers are 32-bit floats; there is no other precision."),
    KeyHabit(
      "compile", "ddp", "distributed", "fsdp", "deterministic",
      note: "There is nothing to set: runs use one process and are always deterministic."),
  ]
}
