/// A line of progress: where the work is, how long it still takes, and what else there is room for.
struct ProgressLine {
  /// What is done, as in `step 36/700`.
  let position: String
  /// The time left, as in `8:21 left`; empty where it is not known yet.
  let timeLeft: String
  /// Everything else, the most important first.
  let details: [String]

  /// The line in at most so many columns: details are dropped from the right, the time left never.
  func text(columns: Int = .max) -> String {
    let needed = [position, timeLeft].filter { !$0.isEmpty }
    for count in stride(from: details.count, through: 0, by: -1) {
      let line = (needed + details.prefix(count)).joined(separator: "  ")
      if DisplayWidth.columns(line) <= columns { return line }
    }
    // Not even both fit: the time goes first.
    let room = columns - DisplayWidth.columns(timeLeft) - 2
    guard room > 0, !timeLeft.isEmpty else {
      return DisplayWidth.prefix(timeLeft.isEmpty ? position : timeLeft, columns: columns)
    }
    return DisplayWidth.prefix(position, columns: room) + "  " + timeLeft
  }
}
