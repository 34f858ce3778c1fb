/// Vectors channel by channel, `[d, n]`, n rounded up to whole blocks of eight: one sweep computes
/// the distances of eight vectors to a point, whatever d is.
struct ChannelBlocks {
  typealias Block = SIMD8<Float>

  let dimension: Int
  /// The vectors, n.
  let count: Int
  /// Blocks in a channel.
  let blocks: Int
  private var numbers: [Block]

  /// Takes vectors `[n, d]`.
  init(_ vectors: [Float], dimension: Int) {
    self.dimension = dimension
    count = vectors.count / dimension
    blocks = (count + 7) / 8
    numbers = Array(repeating: .zero, count: dimension * blocks)
    for vector in 0..<count {
      for channel in 0..<dimension {
        numbers[channel * blocks + vector / 8][vector % 8] = vectors[vector * dimension + channel]
      }
    }
  }

  /// The squared distances of a block's vectors to a point, for each block in turn.
  @inline(__always)
  func distances(to point: [Float], _ body: (_ block: Int, _ squared: Block) -> Void) {
    numbers.withUnsafeBufferPointer { numbers in
      point.withUnsafeBufferPointer { point in
        for block in 0..<blocks {
          var squared = Block.zero
          for channel in 0..<dimension {
            let difference = numbers[channel * blocks + block] - point[channel]
            squared += difference * difference
          }
          body(block, squared)
        }
      }
    }
  }
}
