import ArgumentParser
import Evaluation
import Files
import Formatting
import Foundation
import Imaging
import Inference
import TokenFiles

/// Where encode writes: one file, or numbered shards beside each other.
struct TokenOutput: Equatable {
  /// The coat.
  let format: TokenFormat
  /// The path without its ending.
  let stem: String

  /// Takes the coat from `--format`, or else from the path's ending; safetensors where neither says.
  init(path: String, format: TokenFormat?) throws {
    let named = TokenFormat(path: path)
    guard !path.isEmpty, !path.hasSuffix("/") else {
      throw Failure(
        .cannotCreate,
        "--output \"\(path)\": expected a file, found a folder's name. Name a file, "
          + "such as \(path)tokens.safetensors.")
    }
    if let named, let format, named != format {
      throw Failure(
        .usage,
        "--output \(path) ends in .\(named.rawValue), but --format says "
          + "\(format.rawValue). Remove --format, or change the extension.")
    }
    if named == nil, format == nil, let ending = Self.ending(of: path) {
      throw Failure(
        .usage,
        "--output \(path): expected a file that ends in .safetensors, .npy or .bin, found .\(ending). "
          + "Change the extension, or add --format to have its extension appended.")
    }
    self.format = format ?? named ?? .safetensors
    stem = named == nil ? path : String(path[..<path.lastIndex(of: ".")!])
  }

  /// The output of one part.
  func part(_ part: PartOption) throws -> TokenOutput {
    try TokenOutput(path: EncodedPart.stem(stem, part.number, of: part.total), format: format)
  }

  /// The file's path, with its ending in lower case.
  var path: String { "\(stem).\(format.rawValue)" }

  /// The digits of the numbered shards that are there, in order.
  private var numbers: [String] {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    let prefix = (stem.split(separator: "/").last.map(String.init) ?? "") + "-"
    let ending = "." + format.rawValue
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix(prefix), name.hasSuffix(ending),
        name.count > prefix.count + ending.count
      else { return nil }
      let digits = name.dropFirst(prefix.count).dropLast(ending.count)
      return digits.count >= 5 && digits.allSatisfy { $0.isASCII && $0.isNumber }
        ? String(digits) : nil
    }.sorted()
  }

  /// Says what is in the way, unless it is to be replaced.
  func checkRoom(isForced: Bool) throws {
    let (single, numbers) = (FileManager.default.fileExists(atPath: path), numbers)
    guard !isForced, single || !numbers.isEmpty else { return }
    let found = single ? path : "\(stem)-\(numbers[0]).\(format.rawValue)"
    throw Failure(
      .cannotCreate,
      "\(found) is already there. Choose another --output, add --force to replace "
        + "it" + (numbers.isEmpty ? "." : ", or --resume to continue after its shards."))
  }

  /// What looks like the ending of a format: letters and figures, a letter first.
  private static func ending(of path: String) -> String? {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return nil }
    let ending = name[name.index(after: dot)...]
    guard (1...12).contains(ending.count), ending.first?.isLetter == true,
      ending.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) })
    else { return nil }
    return String(ending)
  }
}

/// What a token file holds, counted from the file as it was written.
struct TokenSummary {
  /// How often each code occurs, at each depth of the tokens.
  private(set) var depths: DepthUsage
  /// Pixels that the tokens stand for, without padding.
  private(set) var pixels = 0
  /// Images.
  let images: Int
  /// Classes of images.
  let classes: Int

  /// Counts.
  ///
  /// Errors: a file that was cut or changed meanwhile.
  init(_ file: TokenFile) throws {
    self.init(file.identity, images: file.count, classes: file.classes.count)
    for index in 0..<file.count { add(try file.record(at: index)) }
  }

  /// Counts what shards of samples hold, whose images have the sizes of their grids.
  ///
  /// Errors: shards that were cut or changed meanwhile.
  init(_ shards: SampleShards) throws {
    self.init(shards.identity, images: shards.count, classes: shards.classes.count)
    try shards.forEach { add($0) }
  }

  private init(_ identity: TokenizerIdentity, images: Int, classes: Int) {
    depths = DepthUsage(codes: identity.codebookSize, depth: identity.depth)
    (self.images, self.classes) = (images, classes)
  }

  private mutating func add(_ record: TokenRecord) {
    depths.add(record.tokens.map { Int32($0) })
    // What files say of sizes may be anything.
    let (area, overflows) = record.width.multipliedReportingOverflow(by: record.height)
    pixels = overflows || area > .max - pixels ? .max : pixels + area
  }

  /// Bits of the ids for each pixel; 0 where there is none.
  var bitsPerPixel: Double {
    guard pixels > 0 else { return 0 }
    return Information.bitsPerPixel(
      tokens: depths.pooled.ids, codes: depths.pooled.codes, width: pixels, height: 1)
  }

  /// The result line of encode.
  func text(_ path: String, rate: String) -> String {
    if images == 0 { return "\(path): no image" }
    let (usage, depth) = (depths.pooled, depths.depths.count)
    let indices = depth > 1 ? " of \(depth) ids" : ""
    let perDepth =
      depth > 1
      ? ", at each depth " + depths.depths.map { Display.count($0.used) }.joined(separator: ", ")
      : ""
    let labelled =
      classes == 0 ? "" : " of \(Display.count(classes)) \(classes == 1 ? "class" : "classes")"
    return
      "\(path): \(Display.count(images, "image"))\(labelled), \(Display.count(depths.tokens, "token"))\(indices); "
      + "\(Display.count(usage.used)) of \(Display.count(usage.codes, "code")) used "
      + "(uniform sampling would show \(Display.percent(usage.expectedUniformUsage)))"
      + "\(perDepth), "
      + "\(Display.decimals(bitsPerPixel, 3)) bits/pixel; \(rate)"
  }
}

extension LatentFile {
  /// The result line of encode.
  func summary(rate: String) -> String {
    if count == 0 { return "\(path): no image" }
    let labelled =
      classes.isEmpty
      ? ""
      : " of \(Display.count(classes.count)) \(classes.count == 1 ? "class" : "classes")"
    func list(_ numbers: [Float]) -> String {
      numbers.prefix(8).map { Display.significant(Double($0), 3) }.joined(separator: ", ")
        + (numbers.count > 8 ? ", ..." : "")
    }
    return "\(path): \(Display.count(count, "image"))\(labelled), latents "
      + "\(rows)x\(columns)x\(channels)\(isStandardized ? ", standardized" : ""); "
      + "mean \(list(mean)); deviation \(list(deviation)); \(rate)"
  }
}

/// What was encoded, as read back from its file.
enum EncodedImages {
  case tokens(TokenFile)
  case latents(LatentFile)

  /// The number of images.
  var count: Int {
    switch self {
    case .tokens(let file): file.count
    case .latents(let file): file.count
    }
  }

  /// The images' names, in order.
  var names: NameList {
    switch self {
    case .tokens(let file): file.names
    case .latents(let file): file.names
    }
  }

  /// The sizes of one image, which are known without reading it.
  func shape(at index: Int) -> TokenRecord {
    switch self {
    case .tokens(let file): return file.shape(at: index)
    case .latents(let file):
      let (size, side) = (file.size(of: index), file.identity.downsampling)
      return TokenRecord(
        path: file.names[index], width: size.width, height: size.height,
        paddedWidth: file.columns * side, paddedHeight: file.rows * side, gridHeight: file.rows,
        gridWidth: file.columns, tokens: [], label: file.label(of: index))
    }
  }

  /// What some images decode to, with padding.
  func decode(_ indices: [Int], _ codec: BoundedCodec) throws -> [Image] {
    switch self {
    case .tokens(let file):
      let records = try indices.map { try file.record(at: $0) }
      return try codec.decode(records.map(\.grid), names: records.map(\.path))
    case .latents(let file):
      let grids = try indices.map { index in
        LatentGrid(
          height: file.rows, width: file.columns, channels: file.channels,
          numbers: try file.latents(of: index))
      }
      return try codec.decode(latents: grids, names: indices.map { file.names[$0] })
    }
  }
}

/// Compares what tokens decode to, as read back from their file, with the model's forward pass.
struct TokenVerification {
  /// The codec.
  let codec: BoundedCodec
  /// How images were prepared.
  let preparation: Preparation
  /// The tokens, or latents, as read back.
  let encoded: EncodedImages
  /// Threads that read ahead.
  let threads: Int

  /// Compares all images, pixel for pixel, and says how many agree.
  ///
  /// Errors: images that differ, by name.
  func run(_ files: ImageInputList, _ terminal: Terminal) throws {
    let names = NameList(files.lazy.map(\.name))
    let (order, sorted) = (names.order, names.sorted())
    // Shards of an earlier run may hold images that were not named this time.
    let pairs = encoded.names.enumerated().compactMap { index, name in
      sorted.place(of: name).map { (index: index, input: Int(order[$0])) }
    }
    let stream = ImageStream(files.keeping(pairs.map(\.input)), preparation, threads: threads)
    defer { stream.stop() }
    let progress = ItemProgress(terminal, "verifying", total: pairs.count)
    var different: [String] = []
    while true {
      let portion = stream.next()
      if portion.isEmpty { break }
      if Interruption.isRequested { throw ExitCode(Interruption.exitCode) }
      let names = portion.map(\.input.name)
      let prepared = try portion.map { try $0.result.get() }
      let indices = portion.indices.map { pairs[progress.done + $0].index }
      let records = indices.map { encoded.shape(at: $0) }
      let decoded = try encoded.decode(indices, codec)
      let expected = try codec.reconstruct(prepared.map(\.image), names: names)
      for index in portion.indices
      where decoded[index] != expected[index].image
        || (records[index].width, records[index].height)
          != (prepared[index].width, prepared[index].height)
      {
        different.append(names[index])
      }
      progress.advance(by: portion.count)
    }
    terminal.result(
      "verified: \(Display.count(pairs.count - different.count)) of "
        + "\(Display.count(pairs.count, "image")) decode to the pixels of the forward pass")
    if pairs.count < encoded.count {
      terminal.say(
        "not verified: \(Display.count(encoded.count - pairs.count, "image")) that are not among "
          + "the paths given")
    }
    guard different.isEmpty else {
      throw Failure(
        .internal,
        "these images decode differently: \(different.prefix(10).joined(separator: ", "))"
          + (different.count > 10 ? " and \(different.count - 10) more" : "")
          + ". Unless the files changed meanwhile, this is a fault of the program: please report "
          + "it.")
    }
  }
}

extension TokenRecord {
  /// The tokens as the codec takes them.
  var grid: TokenGrid {
    TokenGrid(
      height: gridHeight, width: gridWidth, depth: tokens.count / (gridHeight * gridWidth),
      indices: tokens.map { Int32($0) })
  }
}
