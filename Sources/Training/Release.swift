/// The version of the software.
public enum Release {
  /// The number that runs record.
  public static let version = "0.2.0"
}
