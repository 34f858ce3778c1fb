import Autodiff

/// The statistics of one lane, summed over its replays.
final class StatisticSums {
  private let statistics: [(name: String, operand: Operand)]
  private let starts: [Int]
  var sums: [Double]
  private var staging: [Float]

  init(_ statistics: [(name: String, operand: Operand)]) {
    self.statistics = statistics
    var starts = [0]
    for (_, operand) in statistics { starts.append(starts.last! + operand.shape.count) }
    self.starts = starts
    sums = Array(repeating: 0, count: starts.last!)
    staging = Array(repeating: 0, count: statistics.map(\.operand.shape.count).max() ?? 0)
  }

  func clear() {
    for index in sums.indices { sums[index] = 0 }
  }

  func add<B: Backend>(from memories: Memories<B.Memory>, on backend: B) {
    for (index, statistic) in statistics.enumerated() {
      let operand = statistic.operand
      let count = operand.shape.count
      staging.withUnsafeMutableBytes {
        backend.read(
          memories[operand.region], at: operand.offset, words: count, into: $0.baseAddress!)
      }
      for element in 0..<count { sums[starts[index] + element] += Double(staging[element]) }
    }
  }

  func values(_ name: String) -> [Double] {
    guard let index = statistics.firstIndex(where: { $0.name == name }) else {
      preconditionFailure("the plan has no statistic named \(name)")
    }
    return Array(sums[starts[index]..<starts[index + 1]])
  }
}
