/// Colours for absolute errors, from 0 to 1: one ramp of rising brightness, black to pale yellow, which
/// reads alike on paper and for the colour-blind.
public enum ErrorRamp {
  private static let stops: [(Double, Double, Double)] = [
    (0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21),
    (250, 193, 39), (252, 255, 164),
  ]

  /// Red, green and blue of a number; beyond the ends the ends' own.
  public static func colour(_ value: Double) -> (UInt8, UInt8, UInt8) {
    let place = min(max(value.isNaN ? 0 : value, 0), 1) * Double(stops.count - 1)
    let index = min(Int(place), stops.count - 2)
    let (a, b, part) = (stops[index], stops[index + 1], place - Double(index))
    func mix(_ x: Double, _ y: Double) -> UInt8 { UInt8((x + (y - x) * part).rounded()) }
    return (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
  }

  /// The ramp from left to right as a CSS image.
  static var gradient: String {
    let colours = stops.map { "rgb(\(Int($0.0)) \(Int($0.1)) \(Int($0.2)))" }
    return "linear-gradient(90deg,\(colours.joined(separator: ",")))"
  }
}
