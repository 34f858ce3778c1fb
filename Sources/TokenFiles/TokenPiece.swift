import Files
import Safetensors

/// One file of tokens in which everything agrees with everything else.
struct TokenPiece: Sendable {
  let path: String
  let identity: TokenizerIdentity
  let recipe: Recipe
  /// The number among several shards, from 1, and whether it is the last; nil for a single file.
  let shard: Int?
  let isLast: Bool
  /// Which share of a set it is; nil where one program encodes all of it.
  let part: EncodedPart?
  let paths: NameList
  /// The images' classes.
  var classes: ImageClasses
  /// Whether the ids came alone.
  let isAssumed: Bool

  private let array: TokenArray
  private let offsets: [Int]?
  private let grids: [Extent]?
  private let sizes: [Extent]?

  var count: Int { paths.count }

  /// The integers that the ids are.
  var idType: ElementType { array.type }

  /// How many ids each image has.
  var lengths: [Int] { (0..<count).map { tokenRange(of: $0).count } }

  /// Opens a shard and checks all of it, every id included unless `checksIds` is false.
  init(
    path: String, assuming assumption: TokenAssumption? = nil, checksIds: Bool = true
  ) throws(TokenFileError) {
    var raw = try RawTokenPiece(path: path, assuming: assumption)
    raw.unfold(assumption)
    try self.init(checking: raw, checksIds: checksIds)
  }

  private init(checking raw: RawTokenPiece, checksIds: Bool) throws(TokenFileError) {
    let path = raw.path
    let header = raw.header
    identity = header.identity
    if let (key, reason) = identity.problem {
      throw .metadata(path: path, key: key, reason: reason)
    }
    recipe = header.recipe ?? .generated
    for order in [header.digitOrder, recipe.digitOrder] {
      guard let order, order != Recipe.channelZeroFirst else { continue }
      throw .metadata(
        path: path, key: "digit_order",
        reason: "expected \"\(Recipe.channelZeroFirst)\", found \"\(order)\"")
    }
    array = raw.array
    guard TokenArray.types.contains(array.type) else {
      throw .layout(
        path: path,
        reason:
          "\"tokens\" is \(array.type.rawValue), expected integers such as U16, I32 or I64")
    }
    let depth = identity.depth
    if depth > 1, raw.array.shape.last != depth {
      throw .layout(
        path: path,
        reason: "\"tokens\" has shape \(raw.array.shape), expected a last dimension of \(depth), "
          + "the depth of its tokens")
    }
    let count = try Self.imageCount(raw)
    // Of a part there may be none that can be used.
    guard count > 0 || header.part != nil else {
      throw .layout(path: path, reason: "it holds no image")
    }
    try Self.checkGrids(raw, count: count)
    try Self.checkSizes(raw, count: count, downsampling: identity.downsampling)
    classes = try ImageClasses(checking: raw, count: count)
    if let paths = header.paths, paths.count != count {
      throw .layout(path: path, reason: "it holds \(count) images but \(paths.count) paths")
    }
    offsets = raw.offsets
    grids = raw.grids
    sizes = raw.sizes
    paths = header.paths ?? NameList((0..<count).lazy.map { Self.number($0 + 1) })
    isAssumed = raw.isAssumed
    self.path = path
    shard = header.shard
    isLast = header.lastShard ?? true
    part = header.part
    if let reason = part?.problem {
      throw .metadata(path: path, key: "part", reason: reason)
    }

    if checksIds { try check(header) }
  }

  /// Goes through all ids: against the codebook, and against their checksum.
  private func check(_ header: TokenHeader) throws(TokenFileError) {
    var checksum = IdsChecksum(of: header)
    let outside: (position: Int, id: Int)?
    do {
      outside = try array.scan(below: identity.codebookSize) { checksum.add($0) }
    } catch { throw .file(error) }
    if let (position, id) = outside {
      let image = imageIndex(of: position)
      throw .idOutOfRange(
        path: path, image: image, imagePath: paths[image],
        position: position - tokenRange(of: image).lowerBound, id: id,
        codebookSize: identity.codebookSize)
    }
    try checksum.check(path: path)
  }

  /// The name of an image without one: its number with five digits, or more.
  static func number(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }

  /// Gives the file's descriptor back until the next record is asked for.
  func release() { array.release() }

  private static func imageCount(_ raw: RawTokenPiece) throws(TokenFileError) -> Int {
    let depth = raw.header.identity.depth
    switch (raw.array.shape.count - (depth > 1 ? 1 : 0), raw.offsets, raw.grids) {
    case (3, nil, nil): return raw.array.shape[0]
    case (1, let offsets?, let grids?):
      guard offsets.count == grids.count + 1 else {
        throw .layout(
          path: raw.path,
          reason: "\(offsets.count) offsets and \(grids.count) grids, expected N + 1 and N")
      }
      return grids.count
    default:
      throw .layout(
        path: raw.path,
        reason: "\"tokens\" has shape \(raw.array.shape), expected "
          + (depth > 1 ? "[N, h, w, \(depth)], or [T, \(depth)]" : "[N, h, w], or [T]")
          + " together with \"offsets\" and \"grids\"")
    }
  }

  private static func checkGrids(_ raw: RawTokenPiece, count: Int) throws(TokenFileError) {
    guard let offsets = raw.offsets, let grids = raw.grids else {
      guard raw.array.shape[1] > 0, raw.array.shape[2] > 0 else {
        throw .layout(path: raw.path, reason: "its grid is empty, \(raw.array.shape)")
      }
      return
    }
    guard offsets[0] == 0, offsets[count] == raw.array.shape[0] else {
      throw .layout(
        path: raw.path,
        reason: "its offsets run from \(offsets[0]) to \(offsets[count]), expected 0 to "
          + "\(raw.array.shape[0])")
    }
    for (image, grid) in grids.enumerated() {
      // Two U32 multiplied may exceed Int, but not UInt64.
      let expected = UInt64(grid.height) * UInt64(grid.width)
      let (found, overflow) = offsets[image + 1].subtractingReportingOverflow(offsets[image])
      guard !overflow, found > 0, UInt64(found) == expected else {
        throw .layout(
          path: raw.path,
          reason: "image \(image) has a grid of \(grid.height) x \(grid.width), but its offsets "
            + "are \(offsets[image]) and \(offsets[image + 1])")
      }
    }
  }

  private static func checkSizes(
    _ raw: RawTokenPiece, count: Int, downsampling: Int
  ) throws(TokenFileError) {
    for (name, extents) in [("sizes", raw.sizes), ("padded_sizes", raw.paddedSizes)] {
      guard let extents else { continue }
      guard extents.count == count else {
        throw .layout(
          path: raw.path,
          reason: "it holds \(count) images but \"\(name)\" of \(extents.count)")
      }
      if let image = extents.firstIndex(where: { $0.height == 0 || $0.width == 0 }) {
        throw .layout(path: raw.path, reason: "\"\(name)\" of image \(image) is empty")
      }
    }
    for image in 0..<count {
      let grid = raw.grids?[image]
      let height = (grid.map { Int($0.height) } ?? raw.array.shape[1])
        .multipliedReportingOverflow(by: downsampling)
      let width = (grid.map { Int($0.width) } ?? raw.array.shape[2])
        .multipliedReportingOverflow(by: downsampling)
      guard !height.overflow, !width.overflow, height.partialValue < 1 << 32,
        width.partialValue < 1 << 32
      else {
        throw .layout(path: raw.path, reason: "the grid of image \(image) is too large")
      }
      // Decoding gives back what is left without the padding.
      if let size = raw.sizes?[image],
        Int(size.height) > height.partialValue || Int(size.width) > width.partialValue
      {
        let name = raw.header.paths.flatMap { $0.count == count ? $0[image] : nil }
        throw .layout(
          path: raw.path,
          reason:
            "\(name ?? "image \(image)") is said to have \(size.width)x\(size.height) pixels, but "
            + "its tokens stand for only \(width.partialValue)x\(height.partialValue)")
      }
      guard let padded = raw.paddedSizes?[image] else { continue }
      guard padded.height == height.partialValue, padded.width == width.partialValue else {
        throw .layout(
          path: raw.path,
          reason: "image \(image) has a padded size of \(padded.height) x \(padded.width), but its "
            + "grid stands for \(height.partialValue) x \(width.partialValue) pixels")
      }
    }
  }

  private func tokenRange(of image: Int) -> Range<Int> {
    let depth = identity.depth
    if let offsets { return offsets[image] * depth..<offsets[image + 1] * depth }
    let size = array.shape[1] * array.shape[2] * depth
    return image * size..<(image + 1) * size
  }

  private func imageIndex(of position: Int) -> Int {
    let token = position / identity.depth
    guard let offsets else { return token / (array.shape[1] * array.shape[2]) }
    return (offsets.firstIndex { $0 > token } ?? 1) - 1
  }

  /// One image, copied out of the file.
  func record(at image: Int) throws(TokenFileError) -> TokenRecord {
    var record = shape(at: image)
    do {
      record.tokens = try array.ids(tokenRange(of: image), below: identity.codebookSize)
    } catch { throw .file(error) }
    return record
  }

  /// One image without its ids.
  func shape(at image: Int) -> TokenRecord {
    let height = grids.map { Int($0[image].height) } ?? array.shape[1]
    let width = grids.map { Int($0[image].width) } ?? array.shape[2]
    let padded = (
      height: height * identity.downsampling, width: width * identity.downsampling
    )
    let size = sizes?[image]
    return TokenRecord(
      path: paths[image], width: size.map { Int($0.width) } ?? padded.width,
      height: size.map { Int($0.height) } ?? padded.height, paddedWidth: padded.width,
      paddedHeight: padded.height, gridHeight: height, gridWidth: width, tokens: [],
      label: classes[image])
  }
}
