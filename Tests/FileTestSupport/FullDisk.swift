import Foundation
import Files
import Synchronization

extension SystemCalls {
  /// Calls as on a disk that has room for `count` more bytes.
  package static func full(after count: Int) -> SystemCalls {
    var calls = SystemCalls.real
    let left = Mutex(count)
    calls.write = { descriptor, bytes, size in
      let allowed = left.withLock { left in
        defer { left -= min(left, size) }
        return min(left, size)
      }
      if allowed == 0 {
        errno = ENOSPC
        return -1
      }
      return SystemCalls.real.write(descriptor, bytes, allowed)
    }
    return calls
  }
}
