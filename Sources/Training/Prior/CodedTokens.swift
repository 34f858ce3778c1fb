import Execution
import Files
import Foundation
import Inference
import Priors
import Safetensors
import TokenFiles

/// Tokens as few bits as a prior expects: a safetensors file that only that prior turns back into ids.
///
/// Tensors: `code`, the bytes of all streams one behind the other; `code_offsets` `[streams + 1]`, where
/// each begins; `sizes` and `padded_sizes` as in a token file, one row where all images are alike;
/// `labels` where images have classes. Metadata: those of a token file, and `prior` (its fingerprint),
/// `arithmetic` (what computed its expectations), `images`.
///
/// Decoding repeats the encoder's arithmetic bit by bit. What breaks that is another build, another kind of
/// processor, other weights: `arithmetic` and `prior` tell, and a checksum of the ids has the last word.
public struct CodedTokens {
  /// The word in the metadata's `format`.
  public static let format = "tessera-coded-tokens"

  private let file: SafetensorsFile
  private let path: String
  private let identity: TokenizerIdentity
  private let recipe: Recipe
  private let names: [String]
  private let classes: [String]

  /// Whether a file is of this format.
  public static func isCoded(_ path: String) -> Bool {
    (try? SafetensorsFile(path: path))?.metadata["format"] == format
  }

  // MARK: Writing

  /// What was written.
  public struct Summary: Sendable, Equatable {
    /// Images.
    public let images: Int
    /// Bytes of the code alone, of all images.
    public let codeBytes: Int
    /// Bytes of the file, with names and sizes.
    public let fileBytes: Int
    /// Pixels of all images.
    public let pixels: Int
    /// Tokens of all images.
    public let tokens: Int
  }

  /// Writes the tokens of a file in the bits that a prior expects.
  ///
  /// - Throws: ``PriorError`` where the prior has not learned such tokens; `FileError`.
  public static func write<B: Backend>(
    _ tokens: TokenFile, named name: String, with prior: OpenedPrior<B>, to path: String,
    progress: @escaping (_ done: Int) -> Void = { _ in }
  ) throws -> Summary {
    try prior.check(tokens, path: name)
    let labels = try prior.labels(of: tokens, path: name)
    var (images, sizes, padded) = ([[Int32]](), [UInt32](), [UInt32]())
    var sum = Fingerprint.Stream()
    for index in 0..<tokens.count {
      let record = try tokens.record(at: index)
      images.append(record.tokens.map { Int32(bitPattern: $0) })
      record.tokens.withUnsafeBytes { sum.add($0) }
      sizes += [UInt32(record.height), UInt32(record.width)]
      padded += [UInt32(record.paddedHeight), UInt32(record.paddedWidth)]
    }
    let pixels = stride(from: 0, to: sizes.count, by: 2).reduce(0) {
      $0 + Int(sizes[$1]) * Int(sizes[$1 + 1])
    }
    let streams = prior.sampler.encode(images, labels: labels, progress: progress)
    let code = streams.flatMap(\.self)
    let offsets = streams.reduce(into: [Int64(0)]) { $0.append($0.last! + Int64($1.count)) }
    (sizes, padded) = (Self.shortened(sizes), Self.shortened(padded))

    let identity = tokens.identity
    var metadata = [
      "format": Self.format, "format_version": "1", "fingerprint": identity.fingerprint,
      "tokenizer": try json(identity), "recipe": try json(tokens.recipe),
      "paths": try json(tokens.paths), "prior": prior.fingerprint,
      "arithmetic": prior.arithmetic, "images": String(tokens.count),
      "xxh64": Fingerprint.hexadecimal(sum.value),
    ]
    var declarations = [
      TensorDeclaration(name: "code", type: .u8, shape: [code.count]),
      TensorDeclaration(name: "code_offsets", type: .i64, shape: [offsets.count]),
      TensorDeclaration(name: "sizes", type: .u32, shape: [sizes.count / 2, 2]),
      TensorDeclaration(name: "padded_sizes", type: .u32, shape: [padded.count / 2, 2]),
    ]
    let own = (0..<tokens.count).map { Int32(tokens.shape(at: $0).label ?? -1) }
    if !tokens.classes.isEmpty {
      metadata["classes"] = try json(tokens.classes)
      declarations.append(TensorDeclaration(name: "labels", type: .i32, shape: [own.count]))
    }
    let writer = try SafetensorsWriter(path: path, tensors: declarations, metadata: metadata)
    for entry in writer.entries {
      switch entry.name {
      case "code": try code.withUnsafeBytes { try writer.append($0, to: entry.name) }
      case "code_offsets": try offsets.withUnsafeBytes { try writer.append($0, to: entry.name) }
      case "sizes": try sizes.withUnsafeBytes { try writer.append($0, to: entry.name) }
      case "padded_sizes": try padded.withUnsafeBytes { try writer.append($0, to: entry.name) }
      default: try own.withUnsafeBytes { try writer.append($0, to: entry.name) }
      }
    }
    try writer.finish()
    let bytes = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
    return Summary(
      images: tokens.count, codeBytes: code.count, fileBytes: bytes ?? 0, pixels: pixels,
      tokens: tokens.count * prior.space.tokens)
  }

  /// One size where all are alike.
  private static func shortened(_ sizes: [UInt32]) -> [UInt32] {
    let first = Array(sizes.prefix(2))
    let areAlike = stride(from: 0, to: sizes.count, by: 2).allSatisfy {
      sizes[$0] == first[0] && sizes[$0 + 1] == first[1]
    }
    return areAlike ? first : sizes
  }

  private static func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  // MARK: Reading

  /// Opens a file; its ids are not known yet.
  ///
  /// - Throws: ``PriorError`` `coded` for metadata that make no sense; `SafetensorsError`.
  public init(path: String) throws {
    file = try SafetensorsFile(path: path)
    self.path = path
    let texts = file.metadata
    guard texts["format"] == Self.format, texts["format_version"] == "1" else {
      throw PriorError.coded(path: path, reason: "expected coded tokens of version 1")
    }
    func value<T: Decodable>(_ key: String) throws -> T {
      guard let text = texts[key],
        let value = try? JSONDecoder().decode(T.self, from: Data(text.utf8))
      else { throw PriorError.coded(path: path, reason: "its metadata \"\(key)\" make no sense") }
      return value
    }
    (identity, recipe) = (try value("tokenizer"), try value("recipe"))
    names = try value("paths")
    classes = texts["classes"] == nil ? [] : try value("classes")
  }

  /// The fingerprint of the prior that it takes to read it.
  public var prior: String { file.metadata["prior"] ?? "" }

  /// Turns the code back into ids, and writes them as a token file.
  ///
  /// - Throws: ``PriorError`` where the prior or the arithmetic is another, or the ids come out otherwise:
  ///   then nothing is written.
  public func write<B: Backend>(
    with prior: OpenedPrior<B>, to target: String, format: TokenFormat = .safetensors,
    replacing: Bool = false, progress: @escaping (_ done: Int) -> Void = { _ in }
  ) throws {
    guard prior.fingerprint == self.prior else {
      throw PriorError.otherPrior(path: path, found: prior.folder, expected: self.prior)
    }
    guard file.metadata["arithmetic"] == prior.arithmetic else {
      throw PriorError.otherArithmetic(
        path: path, found: prior.arithmetic, expected: file.metadata["arithmetic"] ?? "another")
    }
    let space = prior.space
    let count = names.count
    let offsets: [Int64] = try numbers("code_offsets")
    let code: [UInt8] = try numbers("code")
    let (sizes, padded): ([UInt32], [UInt32]) = (try numbers("sizes"), try numbers("padded_sizes"))
    let own: [Int32] =
      classes.isEmpty ? Array(repeating: -1, count: count) : try numbers("labels")
    let isWhole =
      offsets.count == TokenSampler<B>.streams + 1 && offsets[0] == 0
      && offsets.last == Int64(code.count)
      && zip(offsets, offsets.dropFirst()).allSatisfy { $0 <= $1 }
      && [sizes, padded].allSatisfy { [2, 2 * count].contains($0.count) } && own.count == count
      && own.allSatisfy { $0 >= -1 && $0 < classes.count }
    guard isWhole, count > 0 else {
      throw PriorError.coded(path: path, reason: "its tensors do not fit each other")
    }
    let known = try classes.map { name -> Int? in
      guard !prior.tokens.classes.isEmpty else { return nil }
      guard let index = prior.tokens.classes.firstIndex(of: name) else {
        throw PriorError.noSuchClass(name: name, classes: prior.tokens.classes)
      }
      return index
    }
    let streams = zip(offsets, offsets.dropFirst()).map { Array(code[Int($0)..<Int($1)]) }
    let images = prior.sampler.decode(
      streams, count: count, labels: own.map { $0 < 0 ? nil : known[Int($0)] }, progress: progress)
    var sum = Fingerprint.Stream()
    for image in images { image.withUnsafeBytes { sum.add($0) } }
    guard Fingerprint.hexadecimal(sum.value) == file.metadata["xxh64"] else {
      throw PriorError.coded(
        path: path,
        reason: "its ids came out otherwise than they were written: it is damaged, or this machine "
          + "computes otherwise than the one that wrote it")
    }
    let writer = try TokenWriter(
      path: target, format: format, identity: identity, recipe: recipe, classes: classes,
      replace: replacing)
    for (index, image) in images.enumerated() {
      func extent(_ sizes: [UInt32]) -> (height: Int, width: Int) {
        let place = sizes.count == 2 ? 0 : 2 * index
        return (Int(sizes[place]), Int(sizes[place + 1]))
      }
      let (size, whole) = (extent(sizes), extent(padded))
      try writer.append(
        TokenRecord(
          path: names[index], width: size.width, height: size.height, paddedWidth: whole.width,
          paddedHeight: whole.height, gridHeight: space.rows, gridWidth: space.columns,
          tokens: image.map { UInt32(bitPattern: $0) },
          label: own[index] < 0 ? nil : Int(own[index])))
    }
    _ = try writer.finish()
  }

  private func numbers<T: BitwiseCopyable>(_ name: String) throws -> [T] {
    try file.withBytes(of: file.entry(name)) { bytes in
      (0..<bytes.count / MemoryLayout<T>.stride).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.stride, as: T.self)
      }
    }
  }
}
