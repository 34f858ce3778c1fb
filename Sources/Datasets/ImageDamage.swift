import Synchronization

/// Which images of a set are bad, and why; learned as they are met, from any thread.
public final class ImageDamage: Sendable {
  /// An image that cannot be used.
  public struct Entry: Sendable, Equatable {
    /// Its number in the set.
    public let index: Int
    /// What is wrong, and what to do; begins with the full path.
    public let reason: String
  }

  private let folder: String
  private let count: Int
  private let reasons = Mutex<[Int: String]>([:])

  /// No damage among so many images of a folder.
  init(folder: String, count: Int) {
    self.folder = folder
    self.count = count
  }

  /// Whether an image is known to be bad.
  public func contains(_ index: Int) -> Bool { reasons.withLock { $0[index] != nil } }

  /// Whether none is known to be bad.
  public var isEmpty: Bool { reasons.withLock { $0.isEmpty } }

  /// What is known, in the order of the set.
  public var entries: [Entry] {
    reasons.withLock { $0.map { Entry(index: $0.key, reason: $0.value) } }
      .sorted { $0.index < $1.index }
  }

  /// Why an image is bad; nil where it is not.
  public subscript(index: Int) -> String? { reasons.withLock { $0[index] } }

  /// Takes in that an image is bad.
  ///
  /// - Throws: `tooManyDamaged` if that makes more than half of all.
  func add(_ index: Int, reason: String) throws(DatasetError) {
    let bad = reasons.withLock { reasons in
      if reasons[index] == nil { reasons[index] = reason }
      return reasons.count
    }
    if 2 * bad > count { throw tooMany }
  }

  /// The error if too few images are good to continue.
  var tooMany: DatasetError {
    let entries = entries
    return .tooManyDamaged(
      path: folder, damaged: entries.count, count: count, first: entries.first?.reason ?? "")
  }
}
