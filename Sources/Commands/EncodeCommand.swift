import ArgumentParser
import Datasets
import Foundation
import Inference
import TokenFiles
import Training

extension TokenFormat: ExpressibleByArgument {}

/// Turns images into tokens.
public struct EncodeCommand: ParsableCommand {
  /// Name, summary and examples.
  public static let configuration = CommandConfiguration(
    commandName: "encode",
    abstract: "Turns PNG and JPEG files into tokens of a trained tokenizer.",
    discussion: """
      Each path is an image, or a folder of images that is searched however deep. The token file
      holds the images' names: within a single folder the paths in it, else as much of each path
      as makes all names different. Images are encoded in the order of their names, in bounded
      memory. A file that cannot be used is named with the reason and left out; the exit code is
      then 65.

      The file's ending says the format: .safetensors is one file that explains itself; .npy and
      .bin hold the ids alone, and a .json file beside them the rest. With --shard, numbered
      pieces are written as they fill up, and --resume goes on behind them after an interruption.

      EXAMPLES
        encode --checkpoint checkpoints/fsq --output tokens.safetensors photos
        encode --checkpoint checkpoints/fsq --output tokens.safetensors --size native --verify a.png
        encode --checkpoint checkpoints/vq --output tokens.bin --size 256x256 --shard 10000 photos
        encode --checkpoint checkpoints/vq --output tokens.bin --size 256x256 --shard 10000 \\
               --resume photos
      """)

  @Option(help: ArgumentHelp("The trained run, as train wrote it.", valueName: "folder"))
  var checkpoint: String

  @Option(
    help: ArgumentHelp(
      "Where the tokens go; the format's ending is added where there is none.", valueName: "file"))
  var output: String

  @Option(
    help: ArgumentHelp(
      "How they are laid down, if the ending does not say it.",
      valueName: "safetensors|npy|bin"))
  var format: TokenFormat?

  @Option(
    help: ArgumentHelp(
      "Resized and cropped as in training (model), as they are (native), or scaled to cover a "
        + "size in pixels and cropped to it, such as 256x192.",
      valueName: "model|native|WxH"))
  var size: SizeMode = .model

  @Option(help: ArgumentHelp("Write pieces of so many images each.", valueName: "n"))
  var shard: Int?

  @Flag(help: "Keep the pieces that are there and encode what they lack.")
  var resume = false

  @Flag(help: "Replace what is there; pieces are removed before the first is written.")
  var force = false

  @Flag(help: "Read the tokens back and compare what they decode to with the forward pass.")
  var verify = false

  @OptionGroup var options: CommandOptions

  @Argument(help: ArgumentHelp("Images, and folders of images.", valueName: "path"))
  var paths: [String]

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    try requireName("--checkpoint", checkpoint)
    try requireName("--output", output)
    try requireNames("<path>", paths)
    if let shard, shard < 1 {
      throw ValidationError("--shard: expected at least 1 image per piece, found \(shard)")
    }
    if resume, force {
      throw ValidationError("--resume keeps what is there and --force replaces it: choose one")
    }
  }

  /// Encodes.
  public func run() throws {
    try conclude(options) { terminal in
      let output = try TokenOutput(path: output, format: format)
      let inputs = try ImageInputs(paths: paths)
      for warning in inputs.warnings { terminal.warn(warning) }
      let tokenizer = try OpenedTokenizer(checkpoint: checkpoint, threads: options.threadCount)
      let side = tokenizer.identity.downsampling
      try size.check(downsampling: side)
      let preparation = Preparation(
        mode: size, augmentation: tokenizer.run.data.augmentation.withoutChance, downsampling: side)
      if !resume { try output.makeRoom(isForced: force, isDivided: shard != nil) }
      Interruption.listen()
      let writer = try makeWriter(output, tokenizer.identity, preparation.recipe)
      let codec = BoundedCodec(tokenizer)
      let run = EncodingRun(
        codec: codec, preparation: preparation, writer: writer, threads: options.threadCount,
        alsoChecks: verify ? [.reconstruct, .decode] : [])
      let finished = writer.finishedPaths
      let files = inputs.files.filter { !finished.contains($0.name) }
      if resume, files.count < inputs.files.count {
        terminal.say(
          "\(Display.count(inputs.files.count - files.count, "image")) encoded already")
      }
      let progress = ItemProgress(terminal, "encoding", total: files.count)
      let rejected = try explainingPieces { try run.encode(files, terminal, progress) }
      if rejected == inputs.files.count {
        throw Failure(
          .badData,
          "nothing was written: \(Display.count(rejected, "file")) left out, for the reasons "
            + "above")
      }
      let written = try explainingPieces { () throws(TokenFileError) in try writer.finish() }
      if force { try output.removeReplaced(written: written) }
      let tokens = try TokenFile.open(path: output.path)
      terminal.result(TokenSummary(tokens).text(output.path, rate: progress.rate))
      if verify {
        let verification = TokenVerification(
          codec: codec, preparation: preparation, tokens: tokens, threads: options.threadCount)
        try verification.run(inputs.files, terminal)
      }
      if rejected > 0 {
        throw Failure(
          .badData,
          "\(rejected) of \(Display.count(inputs.files.count, "file")) left out, for the "
            + "reasons above; the others are in \(output.path)")
      }
    }
  }

  private func makeWriter(
    _ output: TokenOutput, _ identity: TokenizerIdentity, _ recipe: Recipe
  ) throws -> TokenWriter {
    do {
      return try TokenWriter(
        path: output.path, format: output.format, identity: identity, recipe: recipe,
        shard: shard, resume: resume)
    } catch {
      throw Failure(writing: error)
    }
  }

  /// Says of a failed or interrupted run with pieces how it goes on.
  private func explainingPieces<R>(_ body: () throws -> R) throws -> R {
    let goOn =
      shard == nil
      ? "Nothing was written, and what was there before is whole."
      : "The finished pieces stay; run again with --resume to go on behind them."
    do {
      return try body()
    } catch let error as TokenFileError {
      let failure = Failure(writing: error)
      throw Failure(failure.code, failure.description + " " + goOn)
    } catch is EncodingInterrupted {
      Terminal(isQuiet: options.quiet).say("stopped. \(goOn)")
      throw ExitCode(Interruption.exitCode)
    }
  }
}

extension Failure {
  /// What kept tokens from being written; an output that cannot be made is not bad data.
  init(writing error: TokenFileError) {
    let failure = Failure(error)
    switch error {
    case .output: self.init(.cannotCreate, failure.description)
    default: self = failure
    }
  }
}
