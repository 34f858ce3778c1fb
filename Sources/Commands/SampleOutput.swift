import Files
import Foundation
import Imaging
import Inference
import TokenFiles
import Tokenizers
import Training

/// An image that was drawn: its number, its class, and its tokens where it has such.
struct DrawnImage {
  let number: Int
  let className: String?
  var ids: [Int32] = []
}

/// How images were drawn.
struct DrawingFacts {
  /// The prior's folder.
  let checkpoint: String
  /// How often the transformer runs for an image, and a diffusion head.
  let transformerSteps, headEvaluations: Int
  /// The solver of a diffusion head, in words.
  let solver: String?
  let guidance: Double
  let seed: UInt64
  let imagesPerSecond: Double
}

/// Where drawn images go: a contact sheet, a token file, or a folder of images.
final class SampleOutput {
  private enum Kind {
    case sheet(ImageFormat)
    case tokens(TokenFormat)
    case folder
  }

  private let path: String
  private let kind: Kind
  private var writer: TokenWriter?
  private var classes: [String] = []
  /// Rows of the sheet above what is drawn.
  private var rowsAbove: [[Image]] = []

  /// Images in a row of a sheet of so many.
  static func columns(for count: Int) -> Int {
    min(16, max(1, Int(Double(count).squareRoot().rounded(.up))))
  }

  /// Whether it is a contact sheet.
  var isSheet: Bool {
    if case .sheet = kind { return true }
    return false
  }

  /// Shows rows of images above what is drawn.
  func show(_ rows: [[Image]]) { rowsAbove = rows }

  init(path: String) {
    self.path = path
    if let format = TokenFormat(path: path) {
      kind = .tokens(format)
    } else if path.lowercased().hasSuffix(".png") {
      kind = .sheet(.png)
    } else if [".jpg", ".jpeg"].contains(where: path.lowercased().hasSuffix) {
      kind = .sheet(.jpeg)
    } else {
      kind = .folder
    }
  }

  /// Whether what is written are pixels.
  var needsTokenizer: Bool {
    if case .tokens = kind { return false }
    return true
  }

  /// Says what is in the way, before anything is drawn.
  func checkRoom(isForced: Bool) throws {
    guard !isForced, FileManager.default.fileExists(atPath: path) else { return }
    if case .folder = kind {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
      if names.isEmpty { return }
    }
    throw Failure(
      .cannotCreate,
      "\(path) is already there. Choose another --output, or add --force to replace it.")
  }

  /// Makes sure that images can be written, before any is drawn.
  ///
  /// - Parameter tokens: what the tokens are, where the output is of tokens.
  func open(_ tokens: PriorTokens?, classes: [String], force: Bool) throws {
    self.classes = classes
    switch kind {
    case .tokens(let format):
      guard let tokens else { return }
      do {
        writer = try TokenWriter(
          path: path, format: format, identity: tokens.tokenizer, recipe: tokens.drawnRecipe,
          classes: classes, replace: force)
      } catch { throw Failure(writing: error) }
    case .folder:
      do throws(FileError) { try Folder.make(path) } catch {
        throw Failure(cannotMakeFolder: path, error)
      }
    case .sheet:
      let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
      guard FileManager.default.isWritableFile(atPath: parent) else {
        throw Failure(
          .cannotCreate,
          "\(path): its folder is missing or cannot be written to. Choose another --output.")
      }
    }
  }

  /// Writes images as tokens, or as the pixels that they stand for.
  ///
  /// - Parameter pixels: the pixels of some of them.
  func write(
    _ drawn: [DrawnImage], _ tokens: PriorTokens?, _ options: CommandOptions,
    pixels: (Range<Int>) throws -> [Image]
  ) throws {
    switch kind {
    case .tokens:
      guard let tokens else { return }
      do { try writeTokens(drawn, tokens) } catch { throw Failure(writing: error) }
    case .sheet(let format):
      let images = try pixels(0..<drawn.count)
      let side = images.map { max($0.width, $0.height) }.max() ?? 1
      let columns = Self.columns(for: images.count)
      let rows = stride(from: 0, to: images.count, by: columns).map {
        Array(images[$0..<min($0 + columns, images.count)])
      }
      let sheet = ContactSheet(columns: columns, scale: max(1, 64 / side)).sheet(
        rows: rowsAbove + rows)
      try ImageEncoder().write(sheet, to: path, as: format, quality: 95)
    case .folder:
      let writing = ImageWriting(as: .png, quality: 95, threads: options.threadCount)
      for start in stride(from: 0, to: drawn.count, by: 256) {
        let range = start..<min(start + 256, drawn.count)
        try writing.write(
          zip(range, try pixels(range)).map { (path + "/" + name(drawn[$0]), $1) })
      }
      try writing.finish()
    }
  }

  /// The file that records how the images in a folder were drawn.
  static let aboutFile = "sample.json"

  /// Writes into a folder of images how they were drawn; nothing for a sheet or a token file.
  ///
  /// The keys: `checkpoint`; `transformerSteps` and `headEvaluations` of an image; `solver` in words, null
  /// of tokens; `seed`; `imagesPerSecond` and `threads`, as they were drawn.
  func tell(_ about: DrawingFacts, _ options: CommandOptions) throws {
    guard case .folder = kind else { return }
    var object = JSONObject([
      "format": .string("tessera sample"), "checkpoint": .string(about.checkpoint),
      "transformerSteps": .integer(about.transformerSteps),
      "headEvaluations": .integer(about.headEvaluations),
      "solver": about.solver.map(JSONValue.string) ?? .null, "guidance": .number(about.guidance),
      "seed": .integer(Int(truncatingIfNeeded: about.seed)),
    ])
    object["imagesPerSecond"] = .number(about.imagesPerSecond)
    object["threads"] = .integer(options.threadCount)
    try AtomicFile.write(
      JSONValue.object(object).prettyText + "\n", to: path + "/" + Self.aboutFile)
  }

  private func name(_ image: DrawnImage) -> String {
    let number = String(image.number + 1)
    let file = String(repeating: "0", count: max(0, 5 - number.count)) + number + ".png"
    return (image.className.map { $0 + "/" } ?? "") + file
  }

  private func writeTokens(
    _ drawn: [DrawnImage], _ tokens: PriorTokens
  ) throws(TokenFileError) {
    guard let writer else { return }
    let side = tokens.tokenizer.downsampling
    let (height, width) = (tokens.rows * side, tokens.columns * side)
    for image in drawn {
      try writer.append(
        TokenRecord(
          path: name(image), width: width, height: height, paddedWidth: width,
          paddedHeight: height, gridHeight: tokens.rows, gridWidth: tokens.columns,
          tokens: image.ids.map { UInt32(bitPattern: $0) },
          label: image.className.flatMap { classes.firstIndex(of: $0) }))
    }
    _ = try writer.finish()
  }
}
