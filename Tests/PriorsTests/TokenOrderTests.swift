import Priors
import Testing

/// The orders in which grids are gone through.
struct TokenOrderTests {
  @Test(arguments: TokenOrder.allCases, [(1, 1), (1, 7), (6, 1), (4, 4), (5, 7), (16, 16)])
  func eachPlaceComesOnce(_ order: TokenOrder, _ grid: (rows: Int, columns: Int)) {
    let places = order.places(rows: grid.rows, columns: grid.columns)
    #expect(places.sorted() == Array(0..<grid.rows * grid.columns))
  }

  @Test func ordersOfASmallGrid() {
    #expect(TokenOrder.raster.places(rows: 2, columns: 3) == [0, 1, 2, 3, 4, 5])
    #expect(TokenOrder.snake.places(rows: 3, columns: 3) == [0, 1, 2, 5, 4, 3, 6, 7, 8])
    #expect(TokenOrder.spiral.places(rows: 3, columns: 3) == [0, 1, 2, 5, 8, 7, 6, 3, 4])
    #expect(TokenOrder.spiral.places(rows: 3, columns: 1) == [0, 1, 2])
    #expect(
      TokenOrder.zOrder.places(rows: 4, columns: 4)
        == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15])
    #expect(
      TokenOrder.coarseToFine.places(rows: 4, columns: 4)
        == [0, 2, 8, 10, 1, 3, 4, 5, 6, 7, 9, 11, 12, 13, 14, 15])
  }

  /// Neighbours of a spiral and a snake are neighbours in the grid.
  @Test(arguments: [TokenOrder.snake, .spiral], [(4, 4), (5, 7), (2, 9)])
  func stepsGoToNeighbours(_ order: TokenOrder, _ grid: (rows: Int, columns: Int)) {
    let places = order.places(rows: grid.rows, columns: grid.columns)
    for (a, b) in zip(places, places.dropFirst()) {
      let rows = abs(a / grid.columns - b / grid.columns)
      let columns = abs(a % grid.columns - b % grid.columns)
      #expect(rows + columns == 1, "\(a) to \(b)")
    }
  }
}
