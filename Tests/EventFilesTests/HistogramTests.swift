import EventFiles
import Testing

@Suite struct HistogramTests {
  /// What a histogram of values must be, counted anew by its own limits.
  private func expectConsistent(_ histogram: Histogram, _ values: [Double]) {
    #expect(histogram.minimum == values.min())
    #expect(histogram.maximum == values.max())
    #expect(histogram.count == Double(values.count))
    #expect(histogram.counts.reduce(0, +) == Double(values.count))
    #expect(histogram.limits.last == values.max())
    #expect(histogram.limits == histogram.limits.sorted())
    #expect((histogram.counts.first ?? 0) > 0 && (histogram.counts.last ?? 0) > 0)
    let lower = [histogram.minimum] + histogram.limits.dropLast()
    for (bucket, count) in histogram.counts.enumerated() {
      let isLast = bucket == histogram.counts.count - 1
      let inside = values.filter { value in
        value >= lower[bucket]
          && (value < histogram.limits[bucket] || isLast && value == histogram.maximum)
      }
      #expect(count == Double(inside.count), "bucket \(bucket)")
    }
  }

  @Test func valuesOnEdgesBelongToTheBucketThatBeginsThere() {
    let histogram = Histogram(of: [0, 1, 1, 2, 3.5, 4], buckets: 4)
    #expect(histogram.limits == [1, 2, 3, 4])
    #expect(histogram.counts == [1, 2, 1, 2])
    #expect(histogram.minimum == 0 && histogram.maximum == 4)
    #expect(histogram.count == 6)
    #expect(histogram.sum == 11.5)
    #expect(histogram.sumOfSquares == 0 + 1 + 1 + 4 + 12.25 + 16)
  }

  @Test(arguments: [1, 2, 7, 30, 1000])
  func everyValueLiesWithinItsBucket(_ buckets: Int) {
    // Thirds and tenths, so that edges and values meet with rounding between them.
    for unit in [1.0 / 3, 0.1, .leastNonzeroMagnitude, 1e300, 1] {
      let values = (-50...70).map { Double($0) * unit }
      expectConsistent(Histogram(of: values, buckets: buckets), values)
    }
  }

  @Test func theLargestRangeHasEdges() {
    let most = Double.greatestFiniteMagnitude
    let values = [-most, -most / 3, 0, 1, most]
    let histogram = Histogram(of: values, buckets: 4)
    expectConsistent(histogram, values)
    #expect(histogram.counts == [1, 1, 2, 1])
  }

  @Test func neighbouringNumbersHaveEdges() {
    for low in [1.0, -1, 0, .leastNonzeroMagnitude] {
      let values = [low, low.nextUp, low.nextUp, low.nextUp.nextUp]
      expectConsistent(Histogram(of: values), values)
    }
  }

  @Test func equalValuesShareOneBucket() {
    let histogram = Histogram(of: [3, 3, 3])
    #expect(histogram.limits == [3] && histogram.counts == [3])
    #expect(histogram.minimum == 3 && histogram.sum == 9 && histogram.sumOfSquares == 27)
  }

  @Test func whatIsNotFiniteIsLeftOut() {
    #expect(
      Histogram(of: [.nan, 1, .infinity, 2, -.infinity], buckets: 5)
        == Histogram(of: [1, 2], buckets: 5))
  }

  @Test func noValuesHaveNoBuckets() {
    for histogram in [
      Histogram(of: []), Histogram(of: [.nan]), Histogram(edges: [1, 2, 3], counts: [0, 0]),
      Histogram(edges: [1], counts: []),
    ] {
      #expect(histogram.limits.isEmpty && histogram.counts.isEmpty)
      #expect(histogram.count == 0 && histogram.sum == 0 && histogram.sumOfSquares == 0)
      #expect(histogram.minimum == 0 && histogram.maximum == 0)
    }
  }

  @Test func emptyBucketsAtTheEndsAreLeftOut() {
    let histogram = Histogram(edges: [0, 1, 2, 4, 8, 16], counts: [0, 3, 0, 2, 0])
    #expect(histogram.minimum == 1 && histogram.maximum == 8)
    #expect(histogram.limits == [2, 4, 8] && histogram.counts == [3, 0, 2])
    #expect(histogram.count == 5)
    #expect(histogram.sum == 3 * 1.5 + 2 * 6)
    #expect(histogram.sumOfSquares == 3 * 2.25 + 2 * 36)
  }
}
