import Evaluation
import Testing

import Training

/// Counts of a window, and what a checkpoint holds of them.
struct CodeWindowTests {
  private func batch(_ ids: [Int32], _ codes: Int) -> CodebookUsage {
    var usage = CodebookUsage(codes: codes)
    usage.add(ids)
    return usage
  }

  @Test(
    "windows count, compare and continue alike for every size", arguments: [9, 1 << 16, 1 << 24])
  func windows(codes: Int) throws {
    var window = CodeWindow(codes: codes)
    window.add(batch([1, 2, 2, 8], codes))
    #expect(window.changes == nil && window.usage.ids == 4)
    window.close()
    window.add(batch([2, 3, 4], codes))
    let changes = try #require(window.changes)
    #expect(changes == (born: 2, died: 2))
    let again = try #require(CodeWindow(codes: codes, state: window.state))
    #expect(again.usage == window.usage && again.changes! == changes && again.state == window.state)
    let first = CodeWindow(codes: codes)
    #expect(CodeWindow(codes: codes, state: first.state)?.changes == nil)
  }

  @Test("a state grows with the codes in use, and not with the codebook")
  func size() {
    var window = CodeWindow(codes: 1 << 24)
    window.add(batch((0..<500).map { Int32($0 * 33_000) }, 1 << 24))
    window.close()
    window.add(batch((0..<700).map { Int32($0 * 23_000) }, 1 << 24))
    #expect(window.state.values.reduce(0) { $0 + $1.count } == 500 + 2 * 700)
  }

  @Test("a state with a count for every code is understood, whatever the size")
  func older() throws {
    let codes = CodebookUsage.largestTable + 7
    var counts = [Double](repeating: 0, count: 2 * codes)
    (counts[5], counts[codes - 1], counts[codes + 5], counts[codes + 6]) = (3, 4, 1, 1)
    let window = try #require(CodeWindow(codes: codes, state: ["codes": counts]))
    #expect(window.usage.usedCodes == [5, codes - 1] && window.usage.ids == 7)
    #expect(window.changes! == (born: 1, died: 1))
  }

  @Test("states that cannot be one are refused")
  func damage() {
    let large = 1 << 20
    for state: [String: [Double]] in [
      [:], ["codes": [1, 2]], ["codes": [1, .nan, 1]], ["codes": [1, -1, 1]],
      ["codes": [1, 0.5, 1]],
    ] { #expect(CodeWindow(codes: 3, state: state) == nil, "\(state)") }
    for state: [String: [Double]] in [
      ["codes.used": [1]], ["codes.used": [Double(large), 1]], ["codes.used": [-1, 1]],
      ["codes.used": [1, 0]], ["codes.used": [1.5, 1]], ["codes.used": [1, 1e300]],
      ["codes.used": [1, 1], "codes.before": [5, 4]], ["codes.used": [], "codes.before": [.nan]],
    ] { #expect(CodeWindow(codes: large, state: state) == nil, "\(state)") }
  }
}
