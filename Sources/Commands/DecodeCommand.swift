import ArgumentParser
import Datasets
import Files
import Formatting
import Foundation
import Imaging
import Inference
import Synchronization
import Threads
import TokenFiles
import Tokenizers
import Training

extension ImageFormat: ExpressibleByArgument {
  /// Reads `png`, `jpeg` or `jpg`.
  public init?(argument: String) {
    self.init(rawValue: argument == "jpg" ? "jpeg" : argument)
  }
}

/// Turns tokens, or latents, back into images.
public struct DecodeCommand: DocumentedCommand {
  /// Name, summary and examples.
  public static let configuration = documented(
    "decode", "Turns tokens or latents back into PNG or JPEG files.")

  static let help = HelpText(
    paragraphs: [
      "Tokens can only be decoded by the checkpoint that produced them, or by one that was trained "
        + "from it with its encoder and quantizer frozen (training.freeze). Each image goes to "
        + "the output folder under the name that it was encoded from, with the new extension; "
        + "if a.png and a.jpg would both become a.png, they become a.png.png and a.jpg.png. "
        + "Images encoded at their native size get that size again. A PNG file holds the exact "
        + "pixels of the model's forward pass. For numbered shards, name the whole set "
        + "(tokens.safetensors for tokens-00001.safetensors and so on) or one shard.",
      "Latents of a checkpoint whose quantizer is kl or none are decoded likewise; where they were "
        + "standardized or scaled, that is undone. Latents of other programs need no metadata either: floats "
        + "[N, d, h, w], as diffusers has them, or [N, h, w, d], as tensor \"latents\" or .npy. --scaled "
        + "says that they are (x - shiftFactor) * scalingFactor, as diffusion models draw them.",
      "Names are made safe: they never leave the output folder. Ids written by another program "
        + "need no metadata: integers [N, h, w] below the codebook size, as tensor "
        + "\"tokens\" of a safetensors file or as a .npy file. They are assumed to be "
        + "the checkpoint's, and the images are named 00001.png and so on. docs/tokens.md has an "
        + "example.",
    ],
    examples: [
      #"""
      decode --checkpoint checkpoints/fsq --output decoded \
        tokens.safetensors
      """#,
      #"""
      decode --checkpoint checkpoints/vq --output decoded \
        --format jpeg --quality 90 tokens.npy
      """#,
      #"""
      decode --checkpoint checkpoints/fsq \
        --prior checkpoints/prior --output decoded \
        small.safetensors
      """#,
    ])

  @Option(
    help: ArgumentHelp("Folder of the trained run that encoded the images.", valueName: "folder"))
  var checkpoint: String

  @Option(
    help: ArgumentHelp("Output folder; created if missing.", valueName: "folder"))
  var output: String

  @Option(
    help: ArgumentHelp(
      "Folder of the prior that the tokens were coded with (encode --prior); with a token file as "
        + "--output, the ids are written.", valueName: "folder"))
  var prior: String?

  @Option(help: ArgumentHelp("Image format.", valueName: "png|jpeg"))
  var format: ImageFormat = .png

  @Option(help: ArgumentHelp("Quality of JPEG files, 1 to 100 (default: 95).", valueName: "n"))
  var quality: Int?

  @Flag(
    help: ArgumentHelp(
      "Latents without metadata are as generative models take them; undo the checkpoint's scaling.")
  )
  var scaled = false

  @Flag(help: "Replace existing files.")
  var force = false

  @OptionGroup var memory: MemoryOption

  @OptionGroup var weights: WeightsOption

  @OptionGroup var options: CommandOptions

  @Argument(help: ArgumentHelp("The file of tokens or latents.", valueName: "tokens"))
  var tokens: String

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    try requireName("--checkpoint", checkpoint)
    try requireName("--output", output)
    try requireName("<tokens>", tokens)
    try requireName("--prior", prior)
    guard let quality else { return }
    guard format == .jpeg else {
      throw ValidationError("--quality is for JPEG files: add --format jpeg, or remove it")
    }
    guard (1...100).contains(quality) else {
      throw ValidationError("--quality: expected 1 to 100, found \(quality)")
    }
  }

  /// Decodes.
  public func run() throws {
    try conclude(options) { terminal in
      let tokenizer = try OpenedTokenizer(
        checkpoint: checkpoint, weights: weights.file, threads: options.threadCount)
      let grid = tokenizer.run.data.imageSize / tokenizer.identity.downsampling
      let coded = try CodedInput(tokens, prior: prior)
      defer { coded?.remove() }
      if let coded, let prior {
        let opened = try openPrior(
          prior, for: tokenizer.identity, keeping: tokenizer.kept, named: checkpoint, options)
        if let format = TokenFormat(path: output) {
          let room = try TokenOutput(path: output, format: format)
          try room.checkRoom(isForced: force)
          try coded.write(with: opened, to: room.path, format, replacing: force, terminal)
          return terminal.result("\(room.path): the ids of \(tokens)")
        }
        try coded.expand(with: opened, terminal)
      }
      let file = try open(coded?.expanded ?? tokens, tokenizer, grid: grid, terminal)
      let (paths, nameless) = try name(Array(file.names), terminal)
      Interruption.listen()
      let progress = ItemProgress(terminal, "decoding", total: file.count)
      let codec = BoundedCodec(tokenizer, memory: memory.bytes, terminal)
      let isWhole = try decode(file, to: paths, codec, progress)
      guard isWhole else {
        terminal.say(
          "stopped after \(Display.count(progress.done, "image")); they are in \(output). Run again "
            + "with --force to decode all.")
        throw ExitCode(Interruption.exitCode)
      }
      terminal.result(
        "\(output): \(Display.count(file.count - nameless, "image")) decoded; \(progress.rate)")
      if nameless > 0 {
        throw Failure(
          .badData,
          "\(nameless) of \(Display.count(file.count, "image")) skipped, for the reasons above; the "
            + "others are in \(output)")
      }
    }
  }

  /// Opens what is to be decoded, and refuses what another checkpoint encoded.
  private func open(
    _ path: String, _ tokenizer: OpenedTokenizer, grid: Int, _ terminal: Terminal
  ) throws -> EncodedImages {
    let isContinuous = tokenizer.run.quantizer.isContinuous
    if isContinuous, let file = try? TokenFile.open(path: path) {
      // Says that this checkpoint has no tokens.
      try file.check(against: tokenizer.identity, keeping: tokenizer.kept)
    }
    if isContinuous || LatentFile.holdsLatents(path) {
      return .latents(try openLatents(path, tokenizer, terminal))
    }
    if scaled {
      throw Failure(
        .usage, "--scaled is for latents, and \(checkpoint) decodes tokens: remove it")
    }
    let file = try TokenFile.open(
      path: path,
      assuming: TokenAssumption(
        identity: tokenizer.identity, gridHeight: grid, gridWidth: grid))
    try file.check(against: tokenizer.identity, keeping: tokenizer.kept)
    if file.isAssumed {
      terminal.say(
        "\(tokens) does not name its tokenizer: its ids are assumed to be those of \(checkpoint)")
    }
    return .tokens(file)
  }

  /// Opens latents; those that say nothing of their autoencoder are taken for this one's.
  private func openLatents(
    _ path: String, _ tokenizer: OpenedTokenizer, _ terminal: Terminal
  ) throws -> LatentFile {
    let quantizer = tokenizer.run.quantizer
    if scaled, quantizer.latentScaling == nil {
      throw Failure(
        .usage,
        "--scaled: \(checkpoint) has no quantizer.scalingFactor. Say it in its config.json, or remove "
          + "--scaled")
    }
    let assumption = LatentAssumption(
      identity: tokenizer.identity, channels: quantizer.codeDimension,
      scaling: scaled ? quantizer.latentScaling : nil)
    let file = try LatentFile.open(
      path: path, assuming: quantizer.isContinuous ? assumption : nil)
    try file.check(against: tokenizer.identity, keeping: tokenizer.kept)
    if file.isAssumed {
      terminal.say(
        "\(path) does not name its autoencoder: its latents are assumed to be those of \(checkpoint), "
          + (file.isChannelsFirst ? "[N, d, h, w]" : "[N, h, w, d]")
          + (scaled ? ", scaled" : quantizer.latentScaling == nil ? "" : ", not scaled"))
    } else if scaled {
      throw Failure(
        .usage,
        "--scaled: \(path) says itself whether its latents were scaled: remove --scaled")
    }
    return file
  }

  /// Creates the folder, names the files in it, and warns of images that cannot have a name.
  private func name(
    _ recorded: [String], _ terminal: Terminal
  ) throws -> (paths: [String?], nameless: Int) {
    let limits = DecodedNames.Limits(of: output)
    // Before anything is made: where no image can be named, no folder is needed.
    if DecodedNames(paths: recorded, format: format, limits: limits).names.allSatisfy({ $0 == nil })
    {
      throw Failure(
        .badData,
        "\(tokens): the path of \(Self.start(of: recorded[0])) is too long for a file below "
          + "\(output)" + (recorded.count > 1 ? ", and so are all others" : "")
          + ". Choose a shorter --output, or correct the program that wrote it.")
    }
    try makeFolder()
    let names = DecodedNames(
      paths: recorded, format: format, folding: NameFolding(probing: output),
      limits: DecodedNames.Limits(of: output)
    ).names
    var leftOut = LeftOut(terminal)
    for (name, path) in zip(names, recorded) where name == nil {
      leftOut.tell(
        "\(Self.start(of: path)): the path is too long for a file below \(output)",
        kind: "have paths too long for a file", advice: "Choose a shorter --output.")
    }
    leftOut.finish()
    let paths = names.map { name in name.map { output + "/" + $0 } }
    try makeRoom(paths.compactMap(\.self))
    return (paths, names.count { $0 == nil })
  }

  /// As much of a path as a message may hold.
  private static func start(of path: String) -> String {
    path.utf8.count > 100
      ? SafeName.shortened(path, to: 100) + "... (\(Display.count(path.utf8.count, "byte")))" : path
  }

  private func makeFolder() throws {
    do throws(FileError) {
      try Folder.make(output)
    } catch {
      throw Failure(cannotMakeFolder: output, error)
    }
    guard FileManager.default.isWritableFile(atPath: output) else {
      throw Failure(
        .cannotCreate,
        "\(output): no permission to write into this folder. Change its permissions, "
          + "or choose another --output.")
    }
  }

  /// Refuses to replace files unless asked to.
  private func makeRoom(_ paths: [String]) throws {
    guard !force else { return }
    let present = paths.filter { FileManager.default.fileExists(atPath: $0) }
    if let first = present.first {
      throw Failure(
        .cannotCreate,
        "\(first)"
          + (present.count > 1 ? " and \(present.count - 1) more of the files to write are" : " is")
          + " already there. Choose another --output, or add --force to replace existing files.")
    }
  }

  /// Decodes in portions of bounded size; false if a stop was requested on the way.
  private func decode(
    _ file: EncodedImages, to paths: [String?], _ codec: BoundedCodec, _ progress: ItemProgress
  ) throws -> Bool {
    let writing = ImageWriting(as: format, quality: quality ?? 95, threads: options.threadCount)
    let limit = PortionLimit(threads: options.threadCount)
    while progress.done < file.count {
      if Interruption.isRequested {
        try writing.finish()
        return false
      }
      var records: [(path: String, index: Int, shape: TokenRecord)] = []
      var (pixels, taken) = (0, 0)
      while progress.done + taken < file.count {
        let index = progress.done + taken
        guard let path = paths[index] else {
          taken += 1
          continue
        }
        // The sizes first: of an image that is too large no id need be read.
        let shape = file.shape(at: index)
        try check(shape, codec)
        let size = PortionLimit.counted(shape.paddedWidth * shape.paddedHeight)
        guard limit.admits(size, to: records.count, pixels: pixels) else { break }
        taken += 1
        pixels += size
        records.append((path, index, shape))
      }
      // Where memory is bounded, no image lies there that is still being written.
      if memory.bytes != nil { try writing.finish() }
      let images: [Image]
      do { images = try file.decode(records.map(\.index), codec) } catch is EncodingInterrupted {
        try writing.finish()
        return false
      }
      try writing.write(
        zip(records, images).map { item, image in
          let (path, record) = (item.path, item.shape)
          return (
            path, image.cropped(x: 0, y: 0, width: record.width, height: record.height)
          )
        })
      progress.advance(by: taken)
    }
    try writing.finish()
    return true
  }

  /// Refuses images that are beyond the limit of pixels or do not fit into memory.
  private func check(_ record: TokenRecord, _ codec: BoundedCodec) throws {
    let limit = memory.pixelLimit([.decode], codec)
    guard record.paddedWidth <= limit / record.paddedHeight else {
      throw Failure(
        .badData,
        "\(tokens): what \(record.path) was encoded to stands for "
          + "\(record.paddedWidth)x\(record.paddedHeight) pixels, more than the limit of \(limit). "
          + "Correct the program that wrote it, or encode a smaller image.")
    }
    try codec.check(
      [.decode], height: record.paddedHeight, width: record.paddedWidth, name: record.path)
  }
}

/// Writes images to files in threads of its own, one portion while the next one is computed.
///
/// Files are not forced onto the disk one by one: they can be made again from their tokens.
final class ImageWriting: Sendable {
  /// An image and where it goes.
  typealias File = (path: String, image: Image)

  private let format: ImageFormat
  private let quality: Int
  private let threads: Int
  private let work = BackgroundWork("writer")
  private let failure = Mutex<(any Error)?>(nil)
  /// Folders that are there for certain.
  private let made = Mutex<Set<[UInt8]>>([])

  /// Prepares to write in a format; `quality` is JPEG's, 1...100.
  init(as format: ImageFormat, quality: Int, threads: Int) {
    self.format = format
    self.quality = quality
    self.threads = threads
  }

  /// Begins to write a portion, once the one before is on the disk.
  ///
  /// Errors: a file of the portion before that could not be written.
  func write(_ files: [File]) throws {
    try finish()
    work.start { [self] in
      concurrently(files.count, threads: threads) { [self] index in
        guard failure.withLock({ $0 == nil }) else { return }
        do { try write(files[index]) } catch { failure.withLock { $0 = $0 ?? error } }
      }
    }
  }

  /// Waits until everything is on the disk.
  ///
  /// Errors: a file that could not be written.
  func finish() throws {
    work.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }

  private func write(_ file: File) throws {
    try makeFolder(of: file.path)
    try ImageEncoder().write(
      file.image, to: file.path, as: format, quality: quality, isDurable: false)
  }

  private func makeFolder(of path: String) throws {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return }
    let folder = String(path[..<slash])
    let key = Array(folder.utf8)
    guard !made.withLock({ $0.contains(key) }) else { return }
    do throws(FileError) {
      try Folder.make(folder)
    } catch {
      throw Failure(cannotMakeFolder: folder, error)
    }
    _ = made.withLock { $0.insert(key) }
  }
}

extension Failure {
  /// A folder for images that cannot be made.
  init(cannotMakeFolder folder: String, _ error: FileError) {
    self.init(
      .cannotCreate,
      "\(folder): the folder cannot be created: \(error.inWords). Choose another --output.")
  }
}
