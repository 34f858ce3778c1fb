import Compression
import Testing

/// The order in which parts are made smaller, against all there are.
struct CompressionPathTests {
  private static func choice(_ cost: Double, _ error: Double, _ reduction: Int? = 0) -> Choice {
    Choice(reduction: reduction, size: Int(cost), cost: cost, error: error)
  }

  @Test func theHullLeavesOutWhatLiesAboveIt() {
    let hull = CompressionPath.hull([
      Self.choice(10, 0, nil), Self.choice(8, 5), Self.choice(6, 1), Self.choice(4, 4),
      Self.choice(2, 5), Self.choice(12, 0),
    ])
    #expect(hull.map(\.cost) == [10, 6, 2])
  }

  /// Of two that cost the same the one with the smaller error stays; a smaller one that is better than the
  /// whole costs nothing.
  @Test func equalCostsAndNegativeErrors() {
    let hull = CompressionPath.hull([
      Self.choice(10, 0, nil), Self.choice(5, 3), Self.choice(5, 2), Self.choice(7, -1),
    ])
    #expect(hull.map(\.cost) == [10, 7, 5])
    #expect(hull.map(\.error) == [0, 0, 2])
  }

  /// No selection that costs as little has a smaller error than a stage of the path.
  @Test func noSelectionIsBetterThanAStage() {
    let parts: [[Choice]] = [
      [Self.choice(9, 0, nil), Self.choice(6, 2), Self.choice(5, 2.5), Self.choice(1, 9)],
      [Self.choice(7, 0, nil), Self.choice(4, 1), Self.choice(3, 8)],
      [Self.choice(4, 0, nil)],
    ]
    let path = CompressionPath(parts)
    let whole = parts.map { $0[0].cost }
    func total(_ stage: [Int: Choice], _ value: (Choice) -> Double) -> Double {
      parts.indices.reduce(0) { $0 + value(stage[$1] ?? parts[$1][0]) }
    }
    #expect(path.stages[0].isEmpty && path.stages.count > 3)
    for (before, after) in zip(path.stages, path.stages.dropFirst()) {
      #expect(total(after, \.cost) < total(before, \.cost))
      #expect(total(after, \.error) >= total(before, \.error))
    }
    for stage in path.stages {
      let (cost, error) = (total(stage, \.cost), total(stage, \.error))
      for a in parts[0] {
        for b in parts[1] where a.cost + b.cost + 4 <= cost {
          #expect(a.error + b.error >= error - 1e-12)
        }
      }
    }
    #expect(path.stage(costing: 20, whole: whole) == 0)
    let enough = path.stage(costing: 15, whole: whole)!
    #expect(total(path.stages[enough], \.cost) <= 15)
    #expect(total(path.stages[enough - 1], \.cost) > 15)
    #expect(path.stage(costing: 7, whole: whole) == nil)
  }

  @Test(arguments: 0..<6) func bisectionFindsTheLastStageThatPasses(_ last: Int) {
    var choices = [Self.choice(10, 0, nil)]
    for step in 1...6 { choices.append(Self.choice(Double(10 - step), Double(step * step))) }
    let path = CompressionPath([choices])
    #expect(path.stages.count == 7)
    #expect(path.last { $0 <= last } == last)
  }
}
