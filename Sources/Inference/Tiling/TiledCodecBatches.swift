import Autodiff
import Imaging
import Tokenizers

extension TiledCodec {
  /// The tokens of images, one after another.
  public func encode(_ images: [Image]) throws -> [TokenGrid] {
    try each(images) { try encode($0) }
  }

  /// The tokens of images that are given as numbers, one after another; see ``Codec/encode(_:write:)``.
  public func encode(
    _ sizes: [(height: Int, width: Int)],
    write: @escaping (_ image: Int, _ numbers: UnsafeMutablePointer<Float>) -> Void
  ) throws -> [TokenGrid] {
    precondition(!configuration.quantizer.isContinuous, "a continuous bottleneck has no tokens")
    return try each(Array(sizes.enumerated())) { index, size in
      let extents = Extents(size.height, size.width, configuration, isNumbers: true)
      // Nothing is allocated for what does not fit.
      try check(.encode, height: size.height, width: size.width, isNumbers: true)
      let numbers = StoredValue([1, size.height, size.width, 3])
      write(index, numbers.numbers)
      return try encode(numbers, extents)
    }
  }

  /// The vectors before quantization of images, one after another.
  public func vectors(of images: [Image]) throws -> [[Float]] {
    try each(images) { try vectors(of: $0) }
  }

  /// The latents of images, one after another.
  public func latents(of images: [Image], drawnBy keys: [Int32]?) throws -> [LatentGrid] {
    try each(Array(images.enumerated())) { try latents(of: $1, drawnBy: keys?[$0]) }
  }

  /// The images that tokens stand for, one after another.
  public func decode(_ grids: [TokenGrid]) throws -> [Image] {
    try each(grids) { try decode($0) }
  }

  /// The images that latents stand for, one after another.
  public func decode(latents grids: [LatentGrid]) throws -> [Image] {
    try each(grids) { try decode(latents: $0) }
  }

  /// The tokenizer's own forward pass on images, one after another.
  public func reconstruct(_ images: [Image]) throws -> [ImageReconstruction] {
    try each(images) { try reconstruct($0) }
  }

  private func each<T, R>(_ items: [T], _ body: (T) throws -> R) throws -> [R] {
    try items.enumerated().map { index, item in
      do { return try body(item) } catch let error as CodecError {
        throw error.ofImage(index)
      }
    }
  }
}
