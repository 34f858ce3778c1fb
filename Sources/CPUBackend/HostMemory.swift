import Foundation

/// A block of words in the machine's memory, zero at first, aligned to cache lines.
///
/// The zeros are those of pages that the system has not handed out yet: what is never touched,
/// such as the moments of weights that only encode, costs neither time nor memory.
public final class HostMemory: @unchecked Sendable {
  // Unchecked: sessions see to it that lanes write to disjoint places.

  let words: UnsafeMutablePointer<Float>
  private let block: UnsafeMutableRawPointer

  /// A cache line, in bytes.
  private static let line = 64

  init(words count: Int) {
    let bytes = max(Self.line, count * MemoryLayout<Float>.stride)
    guard let block = calloc(1, bytes + Self.line) else {
      fatalError("out of memory: \(bytes) bytes are not to be had")
    }
    self.block = block
    words = block.alignedUp(toMultipleOf: Self.line)
      .bindMemory(to: Float.self, capacity: bytes / MemoryLayout<Float>.stride)
  }

  deinit { free(block) }

  /// The words as token ids.
  func indices(at offset: Int) -> UnsafeMutablePointer<Int32> {
    UnsafeMutableRawPointer(words + offset).assumingMemoryBound(to: Int32.self)
  }
}
