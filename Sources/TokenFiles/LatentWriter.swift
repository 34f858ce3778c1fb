import Files
import Safetensors

/// One image as latents.
public struct LatentRecord: Equatable, Sendable {
  /// The image's path, relative to where encoding began.
  public var path: String
  /// The true width in pixels, orientation applied: what decoding gives back.
  public var width: Int
  /// The true height in pixels, orientation applied: what decoding gives back.
  public var height: Int
  /// Rows of latent vectors.
  public var rows: Int
  /// Latent vectors in a row.
  public var columns: Int
  /// The vectors, row by row, `[rows, columns, channels]`.
  public var latents: [Float]
  /// The image's class, as an index of the file's classes; nil where it has none.
  public var label: Int?

  /// Puts a record together; the writer checks it.
  public init(
    path: String, width: Int, height: Int, rows: Int, columns: Int, latents: [Float],
    label: Int? = nil
  ) {
    self.path = path
    self.width = width
    self.height = height
    self.rows = rows
    self.columns = columns
    self.latents = latents
    self.label = label
  }
}

/// Writes images' latents, one after the other, in bounded memory, into one file; see ``LatentFile``.
///
/// Latents go to an unnamed file on disk until their statistics and the header that stands in front
/// of them are known; then the file appears whole, at once. A file that was there is replaced then.
public final class LatentWriter {
  private let identity: TokenizerIdentity
  private let recipe: Recipe
  private let classes: [String]
  private let channels: Int
  private let form: LatentForm
  private let scaling: LatentScaling?
  private let seed: UInt64?
  private var part: EncodedPart?
  private let name: PieceName
  private let spill: SpillFile
  private let headerLimit: Int
  private var moments: ChannelMoments
  private var grid: (rows: Int, columns: Int, path: String)?
  private var sizes: [Extent] = []
  private var paths = NameList()
  private var labels: [Int32] = []
  private var headerSize: Int
  private var lock: FileLock?
  private var failure: TokenFileError?
  private var isFinished = false

  /// Prepares to write to `path`; nothing appears there before `finish()`.
  ///
  /// - `format`: `.safetensors` or `.npy`; must agree with the path's extension, which may be omitted.
  /// - `channels`: of a latent vector.
  /// - `classes`: the names that the images' labels are indices of, each once; without any, no labels
  ///   are written.
  /// - `form`: what is written of each number.
  /// - `scaling`: the autoencoder's word on how generative models take its latents, to be recorded.
  /// - `seed`: that by which latents were drawn, to be recorded; nil where they are means.
  /// - `part`: which share of a set the images are, where several programs encode one.
  ///
  /// Until `finish()` no other writer can have the same output.
  ///
  /// Errors: an identity that makes no sense, a name that does not fit, classes that repeat, a folder
  /// that does not exist or is full, another writer at work (`busy`).
  public convenience init(
    path: String, format: TokenFormat, identity: TokenizerIdentity, recipe: Recipe, channels: Int,
    classes: [String] = [], form: LatentForm = .plain,
    scaling: LatentScaling? = nil, seed: UInt64? = nil, part: EncodedPart? = nil
  ) throws(TokenFileError) {
    // Below the 100 MB that a safetensors header may take, with room for all the rest.
    try self.init(
      path: path, format: format, identity: identity, recipe: recipe, channels: channels,
      classes: classes, form: form, scaling: scaling, seed: seed, part: part, headerLimit: 64 << 20)
  }

  package init(
    path: String, format: TokenFormat, identity: TokenizerIdentity, recipe: Recipe, channels: Int,
    classes: [String] = [], form: LatentForm = .plain,
    scaling: LatentScaling? = nil, seed: UInt64? = nil, part: EncodedPart? = nil, headerLimit: Int
  ) throws(TokenFileError) {
    precondition(channels > 0, "latent vectors have channels")
    if let (key, reason) = identity.latentProblem {
      throw .metadata(path: path, key: key, reason: reason)
    }
    if let reason = ImageClasses.problem(classes) {
      throw .metadata(path: path, key: "classes", reason: reason)
    }
    guard format != .bin else {
      throw .latentOutput(
        path: path, reason: "latents are written as .safetensors or .npy, not as .bin")
    }
    do { name = try PieceName(output: path, format: format) } catch {
      guard case .output(let path, let reason) = error else { throw error }
      throw .latentOutput(path: path, reason: reason)
    }
    self.identity = identity
    self.recipe = recipe.ofLatents
    self.channels = channels
    self.classes = classes
    self.form = form
    self.scaling = scaling
    self.seed = seed
    self.part = part
    self.headerLimit = headerLimit
    headerSize = PieceBuilder.headerSize(of: classes)
    moments = ChannelMoments(channels: channels)
    do { lock = try FileLock(path: name.lockFile) } catch {
      throw .file(FileError(.write, name.data, error.reason))
    }
    try Self.settle(name)
    do { spill = try SpillFile(for: name) } catch { throw .file(error) }
  }

  /// Adds one image.
  ///
  /// Errors: latents that are not finite or do not fill their grid, a grid of another size than that
  /// of the images before, sizes that contradict the grid, a label that is no index of the classes, more
  /// paths than a file has room for, a full disk. A refused record leaves the writer as it was; after a
  /// full disk nothing more goes.
  public func append(_ record: LatentRecord) throws(TokenFileError) {
    if let failure { throw failure }
    precondition(!isFinished, "append to a LatentWriter after finish")
    if let reason = problem(of: record) {
      throw .latentRecord(imagePath: record.path, reason: reason)
    }
    let size = PieceBuilder.headerSize(of: record.path)
    guard headerSize + size <= headerLimit else {
      throw .latentOutput(
        path: name.data,
        reason: "a file has no room for the names of more than \(paths.count) of these images. "
          + "Encode them into several files")
    }
    do throws(FileError) {
      try record.latents.withUnsafeBytes { bytes in
        Result { () throws(FileError) in try spill.append(bytes) }
      }.get()
    } catch {
      failure = .file(error)
      lock = nil
      throw .file(error)
    }
    if grid == nil { grid = (record.rows, record.columns, record.path) }
    moments.add(record.latents)
    sizes.append(Extent(height: UInt32(record.height), width: UInt32(record.width)))
    paths.append(record.path)
    if !classes.isEmpty { labels.append(Int32(record.label ?? ImageClasses.none)) }
    headerSize += size
  }

  /// Writes the file and returns the paths of all its files.
  ///
  /// - Parameter rejected: the images that could not be used, which a part tells of.
  ///
  /// Errors: no image at all, unless it is a part: then its file tells that it has none.
  public func finish(
    rejected: [EncodedPart.Rejection] = []
  ) throws(TokenFileError) -> [String] {
    if let failure { throw failure }
    precondition(!isFinished, "finish of a LatentWriter after finish")
    part = part?.completed(rejected)
    guard grid != nil || part != nil else { throw .empty(path: name.data) }
    do {
      try write(shape: [paths.count, grid?.rows ?? 0, grid?.columns ?? 0, channels])
    } catch let error as TokenFileError {
      failure = error
    } catch let error as SafetensorsError {
      if case .file(let error) = error {
        failure = .file(error)
      } else {
        failure = .safetensors(error)
      }
    } catch let error as FileError {
      failure = .file(error)
    } catch {
      failure = .latentOutput(path: name.data, reason: "\(error)")
    }
    lock = nil
    if let failure { throw failure }
    isFinished = true
    return name.files
  }

  /// Why this cannot be the next image; nil where it can.
  private func problem(of record: LatentRecord) -> String? {
    let limit = 1 << 32
    for (name, value) in [
      ("width", record.width), ("height", record.height), ("rows", record.rows),
      ("columns", record.columns),
    ] where value < 1 || value >= limit {
      return "its \(name) is \(value), expected 1 to \(limit - 1)"
    }
    if let grid, (grid.rows, grid.columns) != (record.rows, record.columns) {
      return "its grid is \(record.rows) x \(record.columns), but that of \(grid.path) is "
        + "\(grid.rows) x \(grid.columns), and a file of latents has one grid for all images. "
        + "Use --size model, which resizes all images to the size that the model was trained with"
    }
    let (cells, isTooLarge) = record.rows.multipliedReportingOverflow(by: record.columns)
    let (count, overflow) = cells.multipliedReportingOverflow(by: channels)
    if isTooLarge || overflow || record.latents.count != count {
      return "it has \(record.latents.count) numbers, but its grid is \(record.rows) x "
        + "\(record.columns) of \(channels) each"
    }
    if let position = record.latents.firstIndex(where: { !$0.isFinite }) {
      return "its latents hold \(record.latents[position]) in channel \(position % channels), row "
        + "\(position / channels / record.columns), column "
        + "\(position / channels % record.columns). The weights are damaged; use an earlier checkpoint"
    }
    let side = identity.downsampling
    if record.rows * side >= limit || record.columns * side >= limit {
      return "its grid of \(record.rows) x \(record.columns) is too large"
    }
    if record.height > record.rows * side || record.width > record.columns * side {
      return "it is \(record.height) x \(record.width) (height x width), but its latents stand for "
        + "only \(record.rows * side) x \(record.columns * side) pixels"
    }
    if let label = record.label, !classes.indices.contains(label) {
      return "its label is \(label), "
        + (classes.isEmpty ? "but there are no classes" : "expected 0 to \(classes.count - 1)")
    }
    return nil
  }

  /// Completes an interrupted replacement, and refuses a name whose JSON file belongs to something else.
  private static func settle(_ name: PieceName) throws(TokenFileError) {
    guard let sidecar = name.sidecar else { return }
    let pair = FlatPair(of: name)
    if PieceName.exists(name.data), !PieceName.exists(sidecar),
      let found = pair.places.first(where: { (try? LatentHeader(sidecar: $0)) != nil }),
      found != name.earlierSidecar
    {
      _ = SystemCalls.current.rename(found, sidecar)
    }
    guard PieceName.exists(sidecar) else { return }
    let isOurs =
      (try? LatentHeader(sidecar: sidecar)) != nil
      || (try? RawTokenPiece.header(sidecar: sidecar))?.storage == name.format
    guard isOurs else {
      throw .latentOutput(
        path: name.data,
        reason: "\(sidecar) would be replaced, and it belongs to something else. "
          + "Choose another name")
    }
  }

  /// What the file says of each channel: what was subtracted, and what divided by, where anything was.
  private var affine: (mean: [Float], deviation: [Float]) {
    guard case .scaled(let scaling) = form else { return (moments.mean, moments.deviation) }
    return (scaling.mean(channels: channels), scaling.deviation(channels: channels))
  }

  /// Hands over the latents as they are to be written, in blocks of whole vectors or less.
  private func latents<E: Error>(
    failing: (FileError) -> E, _ body: (UnsafeRawBufferPointer) throws(E) -> Void
  ) throws(E) {
    let (mean, deviation) = affine
    var position = 0
    try spill.read(
      { bytes throws(E) in
        guard form != .plain else { return try body(bytes) }
        var numbers = Array(bytes.bindMemory(to: Float.self))
        for index in numbers.indices {
          let channel = (position + index) % channels
          let difference = Double(numbers[index]) - Double(mean[channel])
          numbers[index] =
            deviation[channel] > 0 ? Float(difference / Double(deviation[channel])) : 0
        }
        position += numbers.count
        let result = numbers.withUnsafeBytes { bytes in
          Result { () throws(E) in try body(bytes) }
        }
        try result.get()
      }, failing: failing)
  }

  private func write(shape: [Int]) throws {
    var (checksum, stream) = (Checksum(), Fingerprint.Stream())
    try latents(failing: { $0 }) { bytes throws(FileError) in
      checksum.add(bytes)
      stream.add(bytes)
    }
    var header = LatentHeader(identity: identity, recipe: recipe)
    header.standardized = form != .plain
    header.scalingFactor = scaling?.factor
    header.shiftFactor = scaling?.shift
    header.seed = seed
    header.part = part
    header.paths = paths
    header.classes = classes.isEmpty ? nil : classes
    header.checksum = checksum.hexadecimal
    header.xxh64 = Fingerprint.hexadecimal(stream.value)
    let side = UInt32(identity.downsampling)
    let padded = Extent(height: UInt32(shape[1]) * side, width: UInt32(shape[2]) * side)
    let paddedSizes = Array(repeating: padded, count: shape[0])
    if name.format == .safetensors {
      try writeTensors(header, shape: shape, paddedSizes)
    } else {
      try writeFlat(header, shape: shape, paddedSizes)
    }
  }

  private func writeTensors(
    _ header: LatentHeader, shape: [Int], _ paddedSizes: [Extent]
  ) throws {
    let count = shape[0]
    var tensors = [
      TensorDeclaration(name: "latents", type: .f32, shape: shape),
      TensorDeclaration(name: "mean", type: .f32, shape: [channels]),
      TensorDeclaration(name: "deviation", type: .f32, shape: [channels]),
      TensorDeclaration(name: "sizes", type: .u32, shape: [count, 2]),
      TensorDeclaration(name: "padded_sizes", type: .u32, shape: [count, 2]),
    ]
    if !classes.isEmpty {
      tensors.append(TensorDeclaration(name: "labels", type: .i32, shape: [count]))
    }
    let writer = try SafetensorsWriter(
      path: name.data, tensors: tensors, metadata: header.texts())
    for entry in writer.entries {
      switch entry.name {
      case "latents":
        try latents(failing: SafetensorsError.file) { bytes throws(SafetensorsError) in
          try writer.append(bytes, to: "latents")
        }
      case "mean": try writer.append(affine.mean, to: "mean")
      case "deviation": try writer.append(affine.deviation, to: "deviation")
      case "labels": try labels.withUnsafeBytes { try writer.append($0, to: "labels") }
      case "sizes": try sizes.withUnsafeBytes { try writer.append($0, to: "sizes") }
      default:
        try paddedSizes.withUnsafeBytes { try writer.append($0, to: "padded_sizes") }
      }
    }
    try writer.finish()
  }

  private func writeFlat(
    _ header: LatentHeader, shape: [Int], _ paddedSizes: [Extent]
  ) throws {
    func rows(_ extents: [Extent]) -> [[Int]] { extents.map { [Int($0.height), Int($0.width)] } }
    var header = header
    header.storage = .npy
    header.dtype = ElementType.f32.rawValue
    header.shape = shape
    header.byteCount = spill.byteCount
    header.mean = affine.mean
    header.deviation = affine.deviation
    header.sizes = rows(sizes)
    header.paddedSizes = rows(paddedSizes)
    header.labels = classes.isEmpty ? nil : labels.map { TokenHeader.Label(value: Int($0)) }
    let data = try AtomicFile(path: name.data)
    try data.append(NpyHeader(type: .f32, shape: shape).encoded())
    try latents(failing: { $0 }) { bytes throws(FileError) in try data.append(bytes) }
    let pair = FlatPair(of: name)
    let sidecar = try AtomicFile(path: pair.sidecar)
    try sidecar.append(header.encoded())
    // Both must be on the disk before either takes its place.
    try data.sync()
    try sidecar.sync()
    try pair.replace(name.data, with: sidecar) { () throws(FileError) in
      try data.finish()
    }
  }
}
