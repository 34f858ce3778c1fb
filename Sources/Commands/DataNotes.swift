import Datasets
import Imaging

extension Terminal {
  /// Reports which files are not used, and what is done to some of the images.
  func tell(
    rejected: [RejectedImage], doubtful: [RejectedImage] = [], notes: [String],
    transparentCount: Int, background: String
  ) {
    var leftOut = LeftOut(self)
    for image in rejected { leftOut.tell(image.reason, kind: "") }
    leftOut.finish()
    var used = LeftOut(self, doing: Self.used)
    for image in doubtful { used.tell(image.reason, kind: "") }
    used.finish()
    for note in notes { say(note) }
    tell(transparentCount: transparentCount, background: background)
  }

  /// The label for damaged files that are used.
  static let used = "used although it is damaged"

  /// Reports once how many images were composited.
  func tell(transparentCount: Int, background: String) {
    guard transparentCount > 0 else { return }
    say(
      "\(Display.count(transparentCount, "image")) \(transparentCount == 1 ? "has" : "have") "
        + "transparency (an alpha channel); composited over \(background) (data.background)")
  }
}

/// Warns of files that are skipped: ten of each kind by name, the others by their number.
struct LeftOut {
  private let terminal: Terminal
  private let doing: String
  private var counts: [String: Int] = [:]
  private var order: [String] = []
  private var advice: [String: String] = [:]

  /// How many of one kind are named.
  static let named = 10

  /// Begins; `doing` is what happens to the files.
  init(_ terminal: Terminal, doing: String = "skipped") {
    self.terminal = terminal
    self.doing = doing
  }

  /// Reports one file; `advice` is shown once per kind, after the last file named.
  mutating func tell(_ reason: String, kind: String, advice: String? = nil) {
    if counts[kind] == nil { order.append(kind) }
    counts[kind, default: 0] += 1
    self.advice[kind] = self.advice[kind] ?? advice
    if counts[kind, default: 0] <= Self.named { terminal.warn("\(doing): \(reason)") }
  }

  /// Reports how many more there were, and what to do about them.
  func finish() {
    for kind in order {
      let more = counts[kind, default: 0] - Self.named
      if more > 0 {
        terminal.warn(
          "\(doing): \(Display.count(more, "more file"))\(kind.isEmpty ? "" : " that \(kind)")")
      }
      if let advice = advice[kind] { terminal.warn(advice) }
    }
  }
}
