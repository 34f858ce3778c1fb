import Foundation

extension Interruption {
  /// Lets a write beyond `ulimit -f` fail with an error instead of ending the program.
  static func surviveFileSizeLimit() {
    signal(SIGXFSZ, SIG_IGN)
  }
}
