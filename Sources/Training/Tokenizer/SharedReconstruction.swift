import Execution
import Imaging
import Inference
import Ranks

extension ImageCodec {
  /// Encodes and decodes images, which the processes of a group share: each gets all results.
  ///
  /// - Throws: `RankError` where another process is lost.
  func reconstruct(
    _ images: ArraySlice<Image>, sharing group: ProcessGroup?
  ) throws -> [ImageReconstruction] {
    guard let group else { return try reconstruct(Array(images)) }
    func share(_ rank: Int) -> ArraySlice<Image> {
      let (first, count) = (images.startIndex, images.count)
      return images[
        first + count * rank / group.size..<first + count * (rank + 1) / group.size]
    }
    let own = try reconstruct(Array(share(group.rank)))
    let all = group.gather(bytes: own.flatMap(\.bytes))
    try group.check()
    return try all.enumerated().flatMap { rank, bytes in
      if rank == group.rank { return own }
      var rest = bytes[...]
      return try share(rank).map { image in
        guard let result = ImageReconstruction(of: image, from: &rest) else {
          throw RankError.outOfStep(rank: rank, host: group.members[rank].host)
        }
        return result
      }
    }
  }
}

extension ImageReconstruction {
  /// All of it, for a process with the same program.
  fileprivate var bytes: [UInt8] {
    var bytes: [UInt8] = []
    func add<T: BitwiseCopyable>(_ numbers: [T]) {
      withUnsafeBytes(of: numbers.count) { bytes += $0 }
      numbers.withUnsafeBytes { bytes += $0 }
    }
    add([tokens.height, tokens.width, tokens.depth])
    add(tokens.indices)
    add(image.pixels)
    add([quantizationError])
    add(latents)
    add(divergences)
    return bytes
  }

  /// The result for an image, from the beginning of bytes, which is removed; nil where they are of
  /// something else.
  fileprivate init?(of original: Image, from bytes: inout ArraySlice<UInt8>) {
    func take(_ count: Int) -> ArraySlice<UInt8>? {
      guard count >= 0, count <= bytes.count else { return nil }
      defer { bytes = bytes.dropFirst(count) }
      return bytes.prefix(count)
    }
    func numbers<T: BitwiseCopyable>(_ type: T.Type) -> [T]? {
      guard let head = take(MemoryLayout<Int>.size) else { return nil }
      let count = head.withUnsafeBytes { $0.loadUnaligned(as: Int.self) }
      guard count >= 0, count <= bytes.count, let body = take(count * MemoryLayout<T>.stride)
      else { return nil }
      return body.withUnsafeBytes { raw in
        (0..<count).map {
          raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.stride, as: T.self)
        }
      }
    }
    guard let sides = numbers(Int.self), sides.count == 3, let indices = numbers(Int32.self),
      let pixels = numbers(UInt8.self), pixels.count == original.pixels.count,
      let error = numbers(Double.self), error.count == 1, let latents = numbers(Float.self),
      let divergences = numbers(Float.self)
    else { return nil }
    self.init(
      tokens: TokenGrid(height: sides[0], width: sides[1], depth: sides[2], indices: indices),
      image: Image(width: original.width, height: original.height, pixels: pixels),
      quantizationError: error[0], latents: latents, divergences: divergences)
  }
}
