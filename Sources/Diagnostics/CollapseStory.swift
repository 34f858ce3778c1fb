import Foundation

extension CollapseOnset {
  /// The story in sentences: when it collapsed, and what had shown it before.
  ///
  /// "usage fell below a quarter of uniform usage at step 220; lambda had fallen below 0.3 at step
  /// 60, 160 steps before". Empty where nothing stays beyond its limit.
  public var words: String {
    guard let collapse else {
      guard !onsets.isEmpty else { return "" }
      return "beyond its limit to the end: "
        + onsets.map(Self.phrase).joined(separator: "; ")
    }
    let first =
      collapse.diagnostic == .warning
      ? "the training warned of it from step \(Self.count(collapse.step)) on"
      : collapse.sinceStart
        ? "\(collapse.diagnostic.subject) was \(collapse.diagnostic.bound(collapse.limit)) from its "
          + "first measurement on, at step \(Self.count(collapse.step))"
        : "\(collapse.diagnostic.subject) \(verb(collapse)) \(collapse.diagnostic.bound(collapse.limit)) "
          + "at step \(Self.count(collapse.step))"
    var sentences = [first]
    if let sign = signs.first {
      sentences.append(earlier(sign, than: collapse))
    } else if !collapse.sinceStart, judged.contains(where: { !Diagnostic.ofCollapse.contains($0) })
    {
      sentences.append("no earlier warning sign")
    }
    let others = signs.dropFirst()
    guard !others.isEmpty else { return sentences.joined(separator: "; ") }
    return sentences.joined(separator: "; ") + ". Between the two: "
      + others.map { sign in
        sign.diagnostic == .warning
          ? "the training's warning (step \(Self.count(sign.step)))"
          : "\(sign.diagnostic.subject) \(sign.diagnostic.bound(sign.limit)) "
            + "(step \(Self.count(sign.step)))"
      }.joined(separator: ", ")
  }

  private func verb(_ onset: Onset) -> String { onset.diagnostic.isAbove ? "rose" : "fell" }

  private func earlier(_ sign: Onset, than collapse: Onset) -> String {
    let distance = "\(Self.count(collapse.step - sign.step)) steps before"
    let bound = sign.diagnostic.bound(sign.limit)
    let place = "at step \(Self.count(sign.step)), \(distance)"
    if sign.diagnostic == .warning { return "the training had warned of it " + place }
    if sign.sinceStart {
      return "\(sign.diagnostic.subject) had been \(bound) since its first measurement \(place)"
    }
    return
      "\(sign.diagnostic.subject) had \(sign.diagnostic.isAbove ? "risen" : "fallen") \(bound) "
      + place
  }

  private static func phrase(_ onset: Onset) -> String {
    if onset.diagnostic == .warning { return "the training warns since step " + count(onset.step) }
    return "\(onset.diagnostic.subject) is \(onset.diagnostic.bound(onset.limit)) since step "
      + count(onset.step)
  }

  static func text(_ value: Double) -> String { String(format: "%.3g", value) }

  private static func count(_ value: Int) -> String {
    var digits = Array(String(value))
    var place = digits.count - 3
    while place > 0 {
      digits.insert(",", at: place)
      place -= 3
    }
    return String(digits)
  }
}
