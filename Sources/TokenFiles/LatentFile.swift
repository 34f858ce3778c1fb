import Files
import Safetensors

/// Latents of images on disk, checked: what the encoder of an autoencoder with a continuous bottleneck
/// put out, one grid of vectors for each image, all grids of one size.
///
/// A safetensors file holds `latents` F32 `[N, h, w, d]`, `mean` and `deviation` F32 `[d]`, `sizes` and
/// `padded_sizes` U32 `[N, 2]` (height, width), and `labels` I32 `[N]` where images have classes. A numpy
/// file holds the latents alone, and a JSON file beside it everything else.
///
/// `mean` and `deviation` are those of each channel over all latents of the file, before they were
/// standardized. Where the file is standardized, the latents in it are `(x - mean) / deviation`, and 0
/// in a channel whose deviation is 0; where it was scaled for generative models, `mean` and `deviation`
/// are the shift and the inverse of the factor instead.
///
/// Opening checks everything: the arrays against each other, every number for being finite, the
/// latents against their checksum. `paths`, `sizes`, `padded_sizes`, the recipe, checksums, classes and
/// labels may be absent, and `mean` and `deviation` where latents are not standardized, so that another
/// program can write latents of its own for decoding.
///
/// Latents are copied from the file when they are asked for; several threads may do so at a time.
public struct LatentFile: Sendable {
  /// The version of the format that is written and read.
  public static let formatVersion = 1

  /// Where it is: the file with the latents.
  public let path: String
  /// The autoencoder that made the latents.
  public let identity: TokenizerIdentity
  /// How images became model input.
  public let recipe: Recipe
  /// The images' paths, in order.
  public var paths: [String] { Array(names) }
  /// The images' paths, in order and in little memory.
  public let names: NameList
  /// The names of the images' classes, which labels are indices of; empty where images have none.
  public let classes: [String]
  /// The number of images.
  public let count: Int
  /// Rows of each grid of latents.
  public let rows: Int
  /// Columns of each grid of latents.
  public let columns: Int
  /// Channels of a latent vector.
  public let channels: Int
  /// The mean of each channel over all images and places, before standardization; the shift where latents
  /// were scaled.
  public let mean: [Float]
  /// The standard deviation of each channel (over N, not N - 1), before standardization; the inverse of the
  /// factor where latents were scaled.
  public let deviation: [Float]
  /// Whether the latents in the file were standardized, or scaled.
  public let isStandardized: Bool
  /// The autoencoder's word on how generative models take its latents; nil where the file has none.
  public let scaling: LatentScaling?
  /// By which the latents were drawn; nil where they are means.
  public let seed: UInt64?
  /// Which share of a set it is, where several programs encode one; nil where it is whole.
  public let part: EncodedPart?

  /// Whether the file says nothing of its autoencoder, so that the assumption was taken.
  public let isAssumed: Bool
  /// Whether channels stand before rows and columns in the file, `[N, d, h, w]`.
  public var isChannelsFirst: Bool { storage.isChannelsFirst }

  private let storage: LatentStorage
  private let labels: ImageClasses
  private let sizes: [Extent]?

  /// What was found in a file, before it is checked.
  private struct Raw {
    let path: String
    let header: LatentHeader
    let storage: LatentStorage
    var mean: [Float]?
    var deviation: [Float]?
    var sizes: [Extent]?
    var paddedSizes: [Extent]?
    var labels: [Int]?
    var isAssumed = false
  }

  /// Opens `latents.safetensors`, `latents.npy` or the `.json` beside the latter.
  ///
  /// - `assumption`: what is taken for granted of latents that come without any metadata, `[N, d, h, w]` or
  ///   `[N, h, w, d]`; nil refuses them.
  /// - `mayBeEmpty`: whether a part is welcome none of whose images could be used.
  ///
  /// Errors: a file that cannot be read, holds no latents, contradicts itself or its checksum, or holds
  /// NaN or infinity.
  public static func open(
    path: String, assuming assumption: LatentAssumption? = nil, mayBeEmpty: Bool = false
  ) throws(TokenFileError) -> LatentFile {
    let file = try find(path: path, assuming: assumption)
    if file.count == 0, let part = file.part, !mayBeEmpty {
      throw .emptyPart(path: file.path, number: part.number, total: part.total)
    }
    return file
  }

  private static func find(
    path: String, assuming assumption: LatentAssumption?
  ) throws(TokenFileError) -> LatentFile {
    if let assumption, !path.hasSuffix(".json"), TokenFormat(path: path) != .bin,
      PieceName.exists(path),
      let storage = try LatentStorage.bare(path: path, channels: assumption.channels)
    {
      return try LatentFile(raw(storage, assumption, path: path))
    }
    if path.hasSuffix(".json") {
      let stem = PieceName.withoutExtension(path)
      return try open(flat: TokenFormat(path: stem) == .npy ? stem : stem + ".npy")
    }
    switch TokenFormat(path: path) {
    case .npy: return try open(flat: path)
    case .bin:
      throw .notLatents(path: path, reason: "latents are in .safetensors and .npy files")
    case .safetensors: return try LatentFile(try raw(tensors: path))
    case nil:
      for format in [TokenFormat.safetensors, .npy] where !PieceName.exists(path) {
        let name = PieceName(stem: path, format: format)
        if PieceName.exists(name.data) { return try find(path: name.data, assuming: nil) }
      }
      return try LatentFile(try raw(tensors: path))
    }
  }

  /// Whether a file says that it holds latents; false where it cannot be read.
  ///
  /// Only its header is looked at.
  public static func holdsLatents(_ path: String) -> Bool {
    var path = path
    if TokenFormat(path: path) == nil, !path.hasSuffix(".json"), !PieceName.exists(path) {
      let names = [TokenFormat.safetensors, .npy].map { PieceName(stem: path, format: $0).data }
      guard let found = names.first(where: PieceName.exists) else { return false }
      path = found
    }
    let pair: FlatPair? =
      switch TokenFormat(path: path) {
      case .npy?: FlatPair(of: PieceName(stem: PieceName.withoutExtension(path), format: .npy))
      case .bin?: FlatPair(of: PieceName(stem: PieceName.withoutExtension(path), format: .bin))
      case .safetensors?, nil: path.hasSuffix(".json") ? FlatPair(sidecar: path) : nil
      }
    if let pair { return pair.places.contains { (try? LatentHeader(sidecar: $0)) != nil } }
    let file = try? SafetensorsFile(path: path)
    return file?.metadata["format"] == LatentHeader.formatName
  }

  /// The index of an image's class among `classes`; nil where it has none.
  public func label(of image: Int) -> Int? { labels[image] }

  /// The true size of an image in pixels: what decoding gives back.
  public func size(of image: Int) -> (width: Int, height: Int) {
    guard let size = sizes?[image] else {
      return (columns * identity.downsampling, rows * identity.downsampling)
    }
    return (Int(size.width), Int(size.height))
  }

  /// Copies the latents of one image as they are in the file, standardized or not.
  ///
  /// - `index`: 0 ..< `count`.
  /// - `target`: room for `[rows, columns, channels]`.
  ///
  /// Errors: a file that was cut, changed or replaced since it was opened.
  public func copy(
    _ index: Int, to target: UnsafeMutablePointer<Float>
  ) throws(TokenFileError) {
    precondition((0..<count).contains(index), "image \(index) of \(count)")
    try storage.read(index, into: target)
  }

  /// The latents of one image as the autoencoder's decoder takes them, `[rows, columns, channels]`:
  /// a standardization is undone.
  ///
  /// Errors: those of ``copy(_:to:)``.
  public func latents(of image: Int) throws(TokenFileError) -> [Float] {
    var failure: TokenFileError?
    var latents = [Float](unsafeUninitializedCapacity: numbers) { buffer, initialized in
      do throws(TokenFileError) {
        try copy(image, to: buffer.baseAddress!)
        initialized = numbers
      } catch { failure = error }
    }
    if let failure { throw failure }
    guard isStandardized else { return latents }
    for index in latents.indices {
      let channel = index % channels
      latents[index] = Float(
        Double(latents[index]) * Double(deviation[channel]) + Double(mean[channel]))
    }
    return latents
  }

  /// Refuses latents that were not made by this autoencoder.
  ///
  /// - `kept`: the fingerprints of others whose latents it decodes.
  public func check(
    against autoencoder: TokenizerIdentity, keeping kept: [String] = []
  ) throws(TokenFileError) {
    guard identity.isDecoded(by: autoencoder, keeping: kept) else {
      throw .foreignTokenizer(path: path, tokens: identity, tokenizer: autoencoder)
    }
  }

  /// Numbers of one image.
  private var numbers: Int { storage.numbers }
}

// MARK: - Reading

extension LatentFile {
  private static func raw(tensors path: String) throws(TokenFileError) -> Raw {
    let file: SafetensorsFile
    do { file = try SafetensorsFile(path: path) } catch {
      if case .file(let error) = error { throw .file(error) }
      throw .safetensors(error)
    }
    let header = try LatentHeader(texts: file.metadata, path: path)
    guard let entry = file.entries.first(where: { $0.name == "latents" }) else {
      throw .notLatents(path: path, reason: "it has no tensor \"latents\"")
    }
    guard entry.type == .f32 else {
      throw .layout(path: path, reason: "\"latents\" is \(entry.type.rawValue), expected F32")
    }
    func floats(_ name: String) throws(TokenFileError) -> [Float]? {
      guard file.contains(name) else { return nil }
      do {
        return try file.floats(name, shape: entry.shape.last.map { [$0] } ?? [])
      } catch {
        if case .file(let error) = error { throw .file(error) }
        throw .safetensors(error)
      }
    }
    return Raw(
      path: path, header: header,
      storage: LatentStorage(
        place: .tensor(file.withoutMetadata, entry), type: .f32, shape: entry.shape),
      mean: try floats("mean"), deviation: try floats("deviation"),
      sizes: try RawTokenPiece.extents("sizes", in: file),
      paddedSizes: try RawTokenPiece.extents("padded_sizes", in: file),
      labels: try RawTokenPiece.labels(in: file))
  }

  /// Latents without a word on them, as they are assumed to be.
  private static func raw(
    _ storage: LatentStorage, _ assumption: LatentAssumption, path: String
  ) -> Raw {
    var header = LatentHeader(identity: assumption.identity, recipe: .generated)
    let scaling = assumption.scaling
    header.standardized = scaling != nil
    return Raw(
      path: path, header: header, storage: storage,
      mean: scaling?.mean(channels: assumption.channels),
      deviation: scaling?.deviation(channels: assumption.channels), isAssumed: true)
  }

  /// Opens a numpy array with the description that is of these very latents; see `FlatPair`.
  private static func open(flat path: String) throws(TokenFileError) -> LatentFile {
    let pair = FlatPair(of: PieceName(stem: PieceName.withoutExtension(path), format: .npy))
    let file: ReadableFile
    do { file = try ReadableFile(path: path) } catch { throw .file(error) }
    let places = pair.places
    guard let first = places.first else {
      throw .missingSidecar(path: path, sidecar: pair.sidecar)
    }
    do { return try LatentFile(try raw(file, sidecar: first)) } catch {
      for other in places.dropFirst() {
        if let found = try? LatentFile(try raw(file, sidecar: other)) { return found }
      }
      throw error
    }
  }

  private static func raw(_ file: ReadableFile, sidecar: String) throws(TokenFileError) -> Raw {
    let path = file.path
    let header = try LatentHeader(sidecar: sidecar)
    let (found, start) = try NpyHeader.read(file, latents: true)
    guard header.storage == .npy else {
      throw .metadata(path: sidecar, key: "storage", reason: "expected \"npy\"")
    }
    guard header.dtype == ElementType.f32.rawValue else {
      throw .metadata(
        path: sidecar, key: "dtype", reason: "expected \"F32\", found \"\(header.dtype ?? "")\"")
    }
    guard let shape = header.shape, shape == found.shape else {
      throw .layout(
        path: path,
        reason: "it is \(found.shape), but \(sidecar) says \(header.shape ?? [])")
    }
    let declared = TensorDeclaration(name: "latents", type: .f32, shape: shape)
    guard let expected = declared.byteCount, file.byteCount - start == expected,
      header.byteCount.map({ $0 == expected }) ?? true
    else {
      throw .layout(
        path: path,
        reason: "it holds \(file.byteCount - start) bytes of latents, not those of F32 \(shape)")
    }
    return Raw(
      path: path, header: header,
      storage: LatentStorage(place: .flat(file, start: start), type: .f32, shape: shape),
      mean: header.mean, deviation: header.deviation,
      sizes: try RawTokenPiece.extents(header.sizes, "sizes", path: sidecar),
      paddedSizes: try RawTokenPiece.extents(header.paddedSizes, "padded_sizes", path: sidecar),
      labels: header.labels?.map(\.value))
  }

  /// Checks what was found.
  private init(_ raw: Raw) throws(TokenFileError) {
    let (path, header, shape) = (raw.path, raw.header, raw.storage.shape)
    identity = header.identity
    if let (key, reason) = identity.latentProblem {
      throw .metadata(path: path, key: key, reason: reason)
    }
    // Of a part there may be no image that can be used, and then no grid.
    let isEmptyPart =
      shape.count == 4 && header.part != nil && shape[..<3] == [0, 0, 0] && shape[3] > 0
    guard shape.count == 4, isEmptyPart || shape.allSatisfy({ $0 > 0 }) else {
      throw .layout(
        path: path, reason: "\"latents\" has shape \(shape), expected [N, h, w, d] of 1 or more")
    }
    self.path = path
    storage = raw.storage
    isAssumed = raw.isAssumed
    (count, rows, columns, channels) = (
      storage.count, storage.rows, storage.columns, storage.channels
    )
    recipe = (header.recipe ?? .generated).ofLatents
    labels = try ImageClasses(
      checking: header.classes, labels: raw.labels, count: count, path: path)
    classes = labels.names
    if let paths = header.paths, paths.count != count {
      throw .layout(path: path, reason: "it holds \(count) images but \(paths.count) paths")
    }
    names = header.paths ?? NameList((0..<count).lazy.map { TokenPiece.number($0 + 1) })
    sizes = raw.sizes
    isStandardized = header.standardized ?? false
    scaling = try Self.scaling(header, path: path)
    seed = header.seed
    part = header.part
    if let reason = part?.problem {
      throw .metadata(path: path, key: "part", reason: reason)
    }
    let scan = try Self.scan(raw, names)
    (mean, deviation) = try Self.moments(raw, measured: scan.moments)
    try Self.checkSizes(raw, identity)
    try scan.checksum.check(path: path, ofLatents: true)
  }

  /// Goes through all latents once: they must be finite.
  private static func scan(
    _ raw: Raw, _ names: NameList
  ) throws(TokenFileError) -> (checksum: IdsChecksum, moments: ChannelMoments) {
    var checksum = IdsChecksum(checksum: raw.header.checksum, xxh64: raw.header.xxh64)
    var moments = ChannelMoments(channels: raw.storage.channels)
    var block = [Float](repeating: 0, count: raw.storage.numbers)
    for image in 0..<raw.storage.count {
      try block.withUnsafeMutableBufferPointer { block in
        Result { () throws(TokenFileError) in
          try raw.storage.read(image, into: block.baseAddress!) { checksum.add($0) }
        }
      }.get()
      guard block.allSatisfy(\.isFinite) else {
        throw .notFinite(path: raw.path, image: image, imagePath: names[image])
      }
      moments.add(block)
    }
    return (checksum, moments)
  }

  /// The statistics that the file holds, or those of its latents.
  private static func moments(
    _ raw: Raw, measured: ChannelMoments
  ) throws(TokenFileError) -> (mean: [Float], deviation: [Float]) {
    guard let mean = raw.mean, let deviation = raw.deviation else {
      if raw.header.standardized ?? false {
        throw .layout(
          path: raw.path,
          reason: "its latents are standardized, but \"mean\" and \"deviation\" are missing")
      }
      return (measured.mean, measured.deviation)
    }
    let channels = raw.storage.channels
    guard mean.count == channels, deviation.count == channels else {
      throw .layout(
        path: raw.path,
        reason: "\"mean\" and \"deviation\" have \(mean.count) and \(deviation.count) numbers, "
          + "expected one for each of \(channels) channels")
    }
    guard mean.allSatisfy(\.isFinite), deviation.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
      throw .layout(
        path: raw.path,
        reason: "\"mean\" and \"deviation\" must be finite, and a deviation is not negative")
    }
    return (mean, deviation)
  }

  private static func scaling(
    _ header: LatentHeader, path: String
  ) throws(TokenFileError) -> LatentScaling? {
    guard header.scalingFactor != nil || header.shiftFactor != nil else { return nil }
    let scaling = LatentScaling(
      factor: header.scalingFactor ?? 1, shift: header.shiftFactor ?? 0)
    guard scaling.factor > 0, scaling.factor.isFinite else {
      throw .metadata(
        path: path, key: "scaling_factor",
        reason: "expected a number above 0, found \(scaling.factor)")
    }
    return scaling
  }

  private static func checkSizes(
    _ raw: Raw, _ identity: TokenizerIdentity
  ) throws(TokenFileError) {
    let storage = raw.storage
    let height = storage.rows.multipliedReportingOverflow(by: identity.downsampling)
    let width = storage.columns.multipliedReportingOverflow(by: identity.downsampling)
    guard !height.overflow, !width.overflow, height.partialValue < 1 << 32,
      width.partialValue < 1 << 32
    else { throw .layout(path: raw.path, reason: "its grid is too large, \(storage.shape)") }
    for (name, extents) in [("sizes", raw.sizes), ("padded_sizes", raw.paddedSizes)] {
      guard let extents else { continue }
      guard extents.count == storage.count else {
        throw .layout(
          path: raw.path,
          reason: "it holds \(storage.count) images but \"\(name)\" of \(extents.count)")
      }
      for (image, extent) in extents.enumerated() {
        let (h, w) = (Int(extent.height), Int(extent.width))
        let fits =
          name == "sizes"
          ? (1...height.partialValue).contains(h) && (1...width.partialValue).contains(w)
          : h == height.partialValue && w == width.partialValue
        guard fits else {
          throw .layout(
            path: raw.path,
            reason:
              "\"\(name)\" of image \(image) is \(h) x \(w) (height x width), but its latents "
              + "stand for \(height.partialValue) x \(width.partialValue) pixels")
        }
      }
    }
  }
}

/// Mean and standard deviation of each channel, of numbers that come image by image.
///
/// Means and squared deviations are merged as in Chan, Golub and LeVeque, "Updating formulae and a
/// pairwise algorithm for computing sample variances" (1979), in double precision, so that a large mean
/// does not swallow a small deviation.
struct ChannelMoments {
  private var count = 0.0
  private var means: [Double]
  /// Sums of squared deviations from the means.
  private var squares: [Double]

  init(channels: Int) {
    means = Array(repeating: 0, count: channels)
    squares = means
  }

  /// Adds vectors `[n, channels]`.
  mutating func add(_ numbers: [Float]) {
    let channels = means.count
    let vectors = numbers.count / channels
    guard vectors > 0 else { return }
    var sums = [Double](repeating: 0, count: channels)
    for vector in 0..<vectors {
      for channel in 0..<channels { sums[channel] += Double(numbers[vector * channels + channel]) }
    }
    let added = sums.map { $0 / Double(vectors) }
    var spread = [Double](repeating: 0, count: channels)
    for vector in 0..<vectors {
      for channel in 0..<channels {
        let difference = Double(numbers[vector * channels + channel]) - added[channel]
        spread[channel] += difference * difference
      }
    }
    let total = count + Double(vectors)
    for channel in 0..<channels {
      let difference = added[channel] - means[channel]
      means[channel] += difference * Double(vectors) / total
      squares[channel] +=
        spread[channel] + difference * difference * count * Double(vectors) / total
    }
    count = total
  }

  /// The mean of each channel.
  var mean: [Float] { means.map { Float($0) } }

  /// The standard deviation of each channel, over N.
  var deviation: [Float] { squares.map { Float(($0 / max(count, 1)).squareRoot()) } }
}
