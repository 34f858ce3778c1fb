import Synchronization

/// What the commands are called in messages: `train` where each is a program of its own, and
/// `tessera train` where they are subcommands of one.
public enum CommandName {
  /// The program whose subcommands they are; nil where each is its own.
  public static var family: String? {
    get { state.withLock { $0 } }
    set { state.withLock { $0 = newValue } }
  }

  private static let state = Mutex<String?>(nil)

  /// A command as its user types it.
  public static func typed(_ command: String) -> String {
    family.map { "\($0) \(command)" } ?? command
  }
}
