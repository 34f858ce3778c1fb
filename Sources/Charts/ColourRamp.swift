/// Colours for numbers from -1 to 1: one hue below zero, another above, the ground between.
///
/// Both hues, orange and blue, are distinguished by the colour-blind. Numbers are put into
/// ``steps`` classes, so that a page needs few rules for any number of cells.
public enum ColourRamp {
  /// Classes from -1 to 1; odd, so that zero has one of its own.
  public static let steps = 21

  /// The class of a value; values beyond the ends belong to the ends.
  public static func step(_ value: Double) -> Int {
    let half = Double(steps / 2)
    return Int((min(max(value, -1), 1) * half).rounded()) + steps / 2
  }

  static let light = (
    below: (166.0, 66.0, 0.0), zero: (236.0, 236.0, 230.0), above: (0.0, 76.0, 138.0)
  )
  static let dark = (
    below: (255.0, 160.0, 92.0), zero: (44.0, 48.0, 54.0), above: (122.0, 194.0, 255.0)
  )

  /// The classes' colours as variables `--heat-0`...
  static func variables(
    _ ends: (
      below: (Double, Double, Double), zero: (Double, Double, Double),
      above: (Double, Double, Double)
    )
  ) -> String {
    (0..<steps).map { step in
      let share = Double(step - steps / 2) / Double(steps / 2)
      let end = share < 0 ? ends.below : ends.above
      let part = share.magnitude
      let channels = [
        ends.zero.0 + (end.0 - ends.zero.0) * part, ends.zero.1 + (end.1 - ends.zero.1) * part,
        ends.zero.2 + (end.2 - ends.zero.2) * part,
      ]
      return "--heat-\(step):rgb(\(channels.map { String(Int($0)) }.joined(separator: " ")));"
    }.joined()
  }

  static var rules: String {
    (0..<steps).map { ".h\($0){fill:var(--heat-\($0))}" }.joined(separator: "\n")
  }
}
