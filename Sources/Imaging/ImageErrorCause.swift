#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension ImageError {
  /// What the system says where it is at its limits or out of reach, whatever the file.
  private static let passing: Set<String> = Set(
    [EMFILE, ENFILE, ENOMEM, ENOBUFS, ESTALE, ETIMEDOUT, EAGAIN, EINTR].map {
      String(cString: strerror($0))
    })

  /// Whether the fault is the file's own, so that reading it again would end the same way.
  ///
  /// Not so where the process may open no more files, memory is short, or a file server is away.
  public var isOfTheFile: Bool {
    switch self {
    case .exhausted: return false
    case .unreadable(_, let reason): return !Self.passing.contains(reason)
    default: return true
    }
  }
}
