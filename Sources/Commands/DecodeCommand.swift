import ArgumentParser
import Foundation
import Imaging
import Inference
import TokenFiles
import Training

extension ImageFormat: ExpressibleByArgument {
  /// Reads `png`, `jpeg` or `jpg`.
  public init?(argument: String) {
    self.init(rawValue: argument == "jpg" ? "jpeg" : argument)
  }
}

/// Turns tokens back into images.
public struct DecodeCommand: ParsableCommand {
  /// Name, summary and examples.
  public static let configuration = CommandConfiguration(
    commandName: "decode",
    abstract: "Turns tokens back into PNG or JPEG files.",
    discussion: """
      The tokens must be of the very checkpoint that is to decode them. Each image goes to the
      output folder under the name that it was encoded from, with the new ending; where a.png and
      a.jpg would both become a.png, they become a.png.png and a.jpg.png. Images encoded at their
      native size get that size again. A PNG file holds the pixels of the model's forward pass
      exactly. Of tokens in numbered pieces, name the whole (tokens.safetensors for
      tokens-00001.safetensors and so on) or one piece.

      EXAMPLES
        decode --checkpoint checkpoints/fsq --output decoded tokens.safetensors
        decode --checkpoint checkpoints/vq --output decoded --format jpeg --quality 90 tokens.npy
      """)

  @Option(help: ArgumentHelp("The trained run that encoded the images.", valueName: "folder"))
  var checkpoint: String

  @Option(
    help: ArgumentHelp("Where the images go; made where it is not there.", valueName: "folder"))
  var output: String

  @Option(help: ArgumentHelp("The images' format.", valueName: "png|jpeg"))
  var format: ImageFormat = .png

  @Option(help: ArgumentHelp("Quality of JPEG files, 1 to 100 (default: 95).", valueName: "n"))
  var quality: Int?

  @Flag(help: "Replace files that are there.")
  var force = false

  @OptionGroup var options: CommandOptions

  @Argument(help: ArgumentHelp("The token file.", valueName: "tokens"))
  var tokens: String

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    try requireName("--checkpoint", checkpoint)
    try requireName("--output", output)
    try requireName("<tokens>", tokens)
    guard let quality else { return }
    guard format == .jpeg else {
      throw ValidationError("--quality is for JPEG files: add --format jpeg, or leave it out")
    }
    guard (1...100).contains(quality) else {
      throw ValidationError("--quality: expected 1 to 100, found \(quality)")
    }
  }

  /// Decodes.
  public func run() throws {
    try conclude(options) { terminal in
      let tokenizer = try OpenedTokenizer(checkpoint: checkpoint, threads: options.threadCount)
      let file = try TokenFile.open(path: tokens)
      try file.check(against: tokenizer.identity)
      let paths = DecodedNames(paths: file.paths, format: format).names.map { output + "/" + $0 }
      try makeRoom(paths)
      Interruption.listen()
      let progress = ItemProgress(terminal, "decoding", total: file.count)
      let isWhole = try decode(file, to: paths, BoundedCodec(tokenizer), progress)
      guard isWhole else {
        terminal.say(
          "stopped after \(Display.count(progress.done, "image")); they are in \(output). Run again "
            + "with --force to decode all.")
        throw ExitCode(Interruption.exitCode)
      }
      terminal.result("\(output): \(Display.count(file.count, "image")) decoded; \(progress.rate)")
    }
  }

  /// Makes the folder, and refuses to replace files unless asked to.
  private func makeRoom(_ paths: [String]) throws {
    do {
      try FileManager.default.createDirectory(
        atPath: output, withIntermediateDirectories: true)
    } catch {
      throw Failure(cannotMakeFolder: output, error)
    }
    guard FileManager.default.isWritableFile(atPath: output) else {
      throw Failure(
        .cannotCreate,
        "\(output): nothing may be written into this folder. Change its permissions, "
          + "or choose another --output.")
    }
    guard !force else { return }
    let present = paths.filter { FileManager.default.fileExists(atPath: $0) }
    if let first = present.first {
      throw Failure(
        .cannotCreate,
        "\(first)"
          + (present.count > 1 ? " and \(present.count - 1) more of the files to write are" : " is")
          + " already there. Choose another --output, or add --force to replace what is there.")
    }
  }

  /// Decodes in portions of bounded size; false if someone asked to stop on the way.
  private func decode(
    _ file: TokenFile, to paths: [String], _ codec: BoundedCodec, _ progress: ItemProgress
  ) throws -> Bool {
    let writing = ImageWriting(as: format, quality: quality ?? 95, threads: options.threadCount)
    let limit = PortionLimit(threads: options.threadCount)
    while progress.done < file.count {
      if Interruption.isRequested {
        try writing.finish()
        return false
      }
      var records: [TokenRecord] = []
      var pixels = 0
      while progress.done + records.count < file.count {
        let record = file.record(at: progress.done + records.count)
        let size = PortionLimit.counted(record.paddedWidth * record.paddedHeight)
        guard limit.admits(size, to: records.count, pixels: pixels) else { break }
        try check(record, codec)
        pixels += size
        records.append(record)
      }
      let images = try codec.decode(records.map(\.grid), names: records.map(\.path))
      try writing.write(
        zip(records.indices, images).map { index, image in
          let record = records[index]
          return (
            paths[progress.done + index],
            image.cropped(x: 0, y: 0, width: record.width, height: record.height)
          )
        })
      progress.advance(by: records.count)
    }
    try writing.finish()
    return true
  }

  /// Refuses sizes that contradict the grid, and images that do not fit into memory.
  private func check(_ record: TokenRecord, _ codec: BoundedCodec) throws {
    guard record.width <= record.paddedWidth, record.height <= record.paddedHeight else {
      throw Failure(
        .badData,
        "\(tokens): \(record.path) is said to have \(record.width)x\(record.height) pixels, but its "
          + "tokens stand for only \(record.paddedWidth)x\(record.paddedHeight). Correct the "
          + "program that wrote it, or encode the images again.")
    }
    let limit = ImageDecoder.defaultPixelLimit
    guard record.paddedWidth <= limit / record.paddedHeight else {
      throw Failure(
        .badData,
        "\(tokens): the tokens of \(record.path) stand for "
          + "\(record.paddedWidth)x\(record.paddedHeight) pixels, more than the limit of \(limit). "
          + "Correct the program that wrote it, or encode a smaller image.")
    }
    try codec.check(
      [.decode], height: record.paddedHeight, width: record.paddedWidth, name: record.path)
  }
}
