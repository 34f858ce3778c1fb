import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A user for whom permissions hold.
///
/// Root may read and write anything, and in containers tests are root's.
public enum OrdinaryUser {
  /// Whether programs can be run by one.
  public static var isAvailable: Bool {
    geteuid() != 0 || FileManager.default.isExecutableFile(atPath: setpriv)
  }
  /// What a test that skips says.
  public static let absence = "root may do anything, and there is no setpriv"
  /// What stands before a program and its arguments.
  public static var prefix: [String] {
    geteuid() == 0
      ? [setpriv, "--reuid", "\(number)", "--regid", "\(number)", "--clear-groups"] : []
  }

  private static let setpriv = "/usr/bin/setpriv"
  // Not 65534, whose processes a test counts.
  private static let number: uid_t = 65533

  /// Makes this process one of such a user, for good; whether it worked.
  public static func become() -> Bool {
    geteuid() != 0 || setgroups(0, nil) == 0 && setgid(number) == 0 && setuid(number) == 0
  }
}
