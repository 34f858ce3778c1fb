/// What a resumed run may change.
public struct ResumeAllowance: OptionSet, Sendable {
  /// The values of the configuration that its further course depends on; see ``ConfigurationChange``.
  public static let configuration = ResumeAllowance(rawValue: 1)
  /// Which images are trained on.
  public static let images = ResumeAllowance(rawValue: 2)

  /// The bits.
  public let rawValue: Int

  /// A set of its bits.
  public init(rawValue: Int) { self.rawValue = rawValue }
}
