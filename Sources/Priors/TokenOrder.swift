/// The order in which the tokens of a grid are predicted.
///
/// For a model without limits the order would make no difference, as each is a factorization of the same
/// distribution; for a finite one it decides what stands near. All are functions of the grid alone.
public enum TokenOrder: String, Sendable, CaseIterable {
  /// Row by row, from the left.
  case raster
  /// Row by row, every second one from the right: neighbours in the sequence are neighbours in the grid.
  case snake
  /// From the rim inwards, clockwise from the top left.
  case spiral
  /// Quadrant by quadrant, each likewise (Morton, 1966).
  case zOrder = "z-order"
  /// A coarse grid first, then the places between, at each doubling of the resolution.
  case coarseToFine = "coarse-to-fine"

  /// The places of a grid, numbered row by row, in this order: a permutation.
  public func places(rows: Int, columns: Int) -> [Int] {
    let all = (0..<rows).flatMap { row in (0..<columns).map { (row, $0) } }
    switch self {
    case .raster: return Array(0..<rows * columns)
    case .snake:
      return (0..<rows).flatMap { row in
        let places = row * columns..<(row + 1) * columns
        return row % 2 == 0 ? Array(places) : places.reversed()
      }
    case .spiral:
      return Self.sorted(all, columns) { row, column in
        let ring = min(row, column, rows - 1 - row, columns - 1 - column)
        let (right, bottom) = (columns - 1 - ring, rows - 1 - ring)
        // Top from the left, right side down, bottom from the right, left side up.
        if row == ring { return [ring, 0, column] }
        if column == right { return [ring, 1, row] }
        if row == bottom { return [ring, 2, -column] }
        return [ring, 3, -row]
      }
    case .zOrder:
      return Self.sorted(all, columns) { row, column in
        [
          (0..<31).reduce(0) {
            $0 | (column >> $1 & 1) << (2 * $1) | (row >> $1 & 1) << (2 * $1 + 1)
          }
        ]
      }
    case .coarseToFine:
      return Self.sorted(all, columns) { row, column in
        // The finest power of two that both are multiples of tells when a place comes.
        let step = row | column == 0 ? 0 : -(row | column).trailingZeroBitCount
        return [row | column == 0 ? Int.min : step, row, column]
      }
    }
  }

  /// Places by a key, smallest first.
  private static func sorted(
    _ places: [(Int, Int)], _ columns: Int, by key: (Int, Int) -> [Int]
  ) -> [Int] {
    places.map { (place: $0.0 * columns + $0.1, key: key($0.0, $0.1)) }
      .sorted { $0.key.lexicographicallyPrecedes($1.key) }
      .map(\.place)
  }
}
