import Autodiff
import Foundation

/// Where the pixels of a network's image come from.
protocol TileSource {
  /// Some pixels of a row, `[columns, C]`: where they lie, or a copy in scratch memory.
  func row(
    _ row: Int, _ columns: Range<Int>, _ scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float>
}

/// A value that is kept between passes, or its first rows.
final class StoredValue: TileSource, @unchecked Sendable {
  // Unchecked: lanes write disjoint tiles, and read when all is written.

  /// The numbers.
  private(set) var numbers: UnsafeMutablePointer<Float>
  /// Its extents; those of an image are `[1, H, W, C]`.
  let shape: Shape
  /// Rows that are kept, from the first.
  private(set) var rows: Int

  /// Whose memory it is; nil where it is its own.
  private let owner: StoredValue?

  /// - Parameter rows: of an image, how many are kept; nil for all of any value.
  init(_ shape: Shape, rows: Int? = nil) {
    self.shape = shape
    self.rows = rows ?? (shape.rank == 4 ? shape[1] : 1)
    owner = nil
    let count = rows.map { $0 * shape[2] * shape[3] } ?? shape.count
    numbers = Self.checked(malloc(max(1, count) * MemoryLayout<Float>.stride))
  }

  /// The same numbers under other extents.
  init(_ shape: Shape, of other: StoredValue) {
    precondition(shape.count == other.shape.count, "as many numbers")
    (self.shape, owner, numbers, rows) = (shape, other, other.numbers, shape[1])
  }

  deinit { if owner == nil { free(numbers) } }

  /// Gives the memory of later rows back.
  func keep(rows: Int) {
    guard rows < self.rows, owner == nil else { return }
    self.rows = rows
    let bytes = rows * shape[2] * shape[3] * MemoryLayout<Float>.stride
    numbers = Self.checked(realloc(numbers, max(1, bytes)))
  }

  private static func checked(_ memory: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<Float> {
    guard let memory else { fatalError("there is less memory than there was when it was planned") }
    return memory.assumingMemoryBound(to: Float.self)
  }

  /// The words as an array.
  func array<T>(of type: T.Type) -> [T] {
    [T](unsafeUninitializedCapacity: shape.count) { buffer, count in
      UnsafeMutableRawPointer(buffer.baseAddress!).copyMemory(
        from: numbers, byteCount: shape.count * MemoryLayout<Float>.stride)
      count = shape.count
    }
  }

  func row(
    _ row: Int, _ columns: Range<Int>, _ scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    UnsafePointer(place(row, columns.lowerBound))
  }

  /// Where a pixel lies.
  func place(_ row: Int, _ column: Int) -> UnsafeMutablePointer<Float> {
    numbers + (row * shape[2] + column) * shape[3]
  }
}

/// The pixels of which a normalization makes its origin.
final class Samples: Sendable {
  // Lanes write disjoint ones.

  /// Their numbers, in order, `[1, 1, samples, C]`.
  let numbers: StoredValue
  /// Their places, and their numbers in the order.
  private let places: [Int: [(column: Int, index: Int)]]
  private let shape: Shape

  /// The side of the tiles in which they are computed: where tiles of the deepest level begin alike, one plan
  /// serves nearly all of them.
  private static let side = 16

  init(_ pixels: [Int], in shape: Shape) {
    self.shape = shape
    numbers = StoredValue([1, 1, pixels.count, shape[3]])
    var places: [Int: [(column: Int, index: Int)]] = [:]
    for (index, pixel) in pixels.enumerated() {
      let (row, column) = pixel.quotientAndRemainder(dividingBy: shape[2])
      places[row, default: []].append((column, index))
    }
    self.places = places
  }

  /// Small tiles around those from a row on, each once.
  func tiles(from first: Int) -> [TileRegion] {
    func range(_ place: Int, _ extent: Int) -> Range<Int> {
      let start = place / Self.side * Self.side
      return start..<min(extent, start + Self.side)
    }
    var tiles: Set<TileRegion> = []
    for (row, samples) in places where row >= first {
      for sample in samples {
        tiles.insert(TileRegion(range(row, shape[1]), range(sample.column, shape[2])))
      }
    }
    return tiles.sorted {
      ($0.rows.lowerBound, $0.columns.lowerBound) < ($1.rows.lowerBound, $1.columns.lowerBound)
    }
  }

  /// Takes those of some rows and columns.
  func fill(
    _ rows: Range<Int>, _ columns: Range<Int>? = nil,
    from pixel: (_ row: Int, _ column: Int) -> UnsafePointer<Float>
  ) {
    let columns = columns ?? 0..<shape[2]
    // Few of many rows, or all of few.
    for row in rows.count < places.count ? Array(rows) : Array(places.keys) {
      guard rows.contains(row), let samples = places[row] else { continue }
      for (column, index) in samples where columns.contains(column) {
        numbers.place(0, index).update(from: pixel(row, column), count: shape[3])
      }
    }
  }
}
