import Charts
import Foundation
import Testing

@Suite("Downsampling")
struct DownsamplingTests {
  private static func noise(_ count: Int) -> [Point] {
    (0..<count).map {
      Point(Double($0), sin(Double($0) * 12.9898) * 43758.5453.truncatingRemainder(dividingBy: 97))
    }
  }
  private func scale(_ points: [Point]) -> Scale {
    Scale(.linear, from: points.first?.x ?? 0, to: points.last?.x ?? 1)
  }

  @Test("few points stay as they are")
  func few() {
    let points = Self.noise(300)
    #expect(Downsampling.extremes(points, atMost: 320, along: scale(points)) == points)
    #expect(Downsampling.extremes([], atMost: 320, along: scale([])).isEmpty)
  }

  @Test("of 100,000 points some 320 stay, in order, a spike among them, and first and last")
  func spike() {
    var points = Self.noise(100_000)
    points[54_321].y = 1e6
    points[77_777].y = -1e6
    let kept = Downsampling.extremes(points, atMost: 320, along: scale(points))
    #expect(kept.count <= 324 && kept.count > 300)
    #expect(kept.contains(points[54_321]) && kept.contains(points[77_777]))
    #expect(kept.first == points.first && kept.last == points.last)
    #expect(zip(kept, kept.dropFirst()).allSatisfy { $0.x < $1.x })
  }

  @Test("each stretch keeps its own lowest and highest point, as by looking at all")
  func stretches() {
    let points = Self.noise(1000)
    let kept = Downsampling.extremes(points, atMost: 20, along: scale(points))
    for stretch in 0..<10 {
      let members = points.filter { Int($0.x / 999 * 10) == stretch }
      #expect(kept.contains { $0.y == members.map(\.y).max() })
      #expect(kept.contains { $0.y == members.map(\.y).min() })
    }
  }

  @Test("a gap stays a gap")
  func gap() {
    var points = Self.noise(1000)
    for index in 500..<520 { points[index].y = .nan }
    let kept = Downsampling.extremes(points, atMost: 100, along: scale(points))
    #expect(kept.contains { $0.y.isNaN && (500..<520).contains(Int($0.x)) })
  }

  @Test("along a logarithmic scale the early points are the ones to stay")
  func logarithmic() {
    let points = (1...10_000).map { Point(Double($0), Double($0 % 7)) }
    let kept = Downsampling.extremes(
      points, atMost: 200, along: Scale(.logarithmic, from: 1, to: 10_000))
    #expect(kept.filter { $0.x <= 100 }.count > 50)
  }
}
