/// The middle of some numbers; of an even count, the mean of the two in the middle.
func median(_ numbers: [Double]) -> Double {
  precondition(!numbers.isEmpty, "a median is of one number at least")
  let sorted = numbers.sorted()
  let middle = sorted.count / 2
  return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
}

/// The median seconds of some work: once to warm up, then until both limits are reached.
func medianSeconds(atLeast seconds: Double = 0.3, times: Int = 3, _ work: () -> Void) -> Double {
  work()
  var measured: [Double] = []
  while measured.count < times || measured.reduce(0, +) < seconds {
    let began = ContinuousClock.now
    work()
    measured.append(began.duration(to: .now) / .seconds(1))
  }
  return median(measured)
}
