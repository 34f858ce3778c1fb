import Foundation

/// A block of words in the machine's memory, zero at first, aligned to cache lines.
public final class HostMemory: @unchecked Sendable {
  // Unchecked: sessions see to it that lanes write to disjoint places.

  let words: UnsafeMutablePointer<Float>

  init(words count: Int) {
    let bytes = max(64, count * MemoryLayout<Float>.stride)
    let raw = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    memset(raw, 0, bytes)
    words = raw.bindMemory(to: Float.self, capacity: max(16, count))
  }

  deinit {
    UnsafeMutableRawPointer(words).deallocate()
  }

  /// The words as token ids.
  func indices(at offset: Int) -> UnsafeMutablePointer<Int32> {
    UnsafeMutableRawPointer(words + offset).assumingMemoryBound(to: Int32.self)
  }
}
