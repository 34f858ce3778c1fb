import Files

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// The ids and the JSON file that describes them, replaced together: at no moment does a JSON file lie
/// beside ids that it does not describe, and at every moment the old pair or the new one can be read.
///
/// The old description is put aside (`NAME.json.old`), the ids take their place, then the new
/// description, which until then is complete under its partial name (`NAME.json.partial`). Between these
/// steps a reader finds which of the two is of the ids that are there.
struct FlatPair {
  /// Where the description lies.
  let sidecar: String

  /// Where an old description is while the ids are being replaced.
  private var aside: String { sidecar + ".old" }

  /// Where a description may be, the usual place first.
  var places: [String] {
    [sidecar, sidecar + ".partial", aside].filter(PieceName.exists)
  }

  /// Puts both in their places; both are on the disk already.
  ///
  /// - `place`: puts the ids in theirs.
  func replace(
    _ data: String, with description: AtomicFile, placing place: () throws(FileError) -> Void
  ) throws(TokenFileError) {
    let calls = SystemCalls.current
    let hasOld = PieceName.exists(sidecar)
    if hasOld, calls.rename(sidecar, aside) != 0 {
      throw .file(FileError(.write, sidecar, .system(errno)))
    }
    var doubt: FileError?
    do { try place() } catch {
      guard error.isInPlace else {
        if hasOld { _ = calls.rename(aside, sidecar) }
        throw .file(error)
      }
      doubt = error
    }
    do { try description.finish(keepingPartial: true) } catch {
      guard description.isInPlace else {
        unlink(aside)
        throw .halfReplaced(
          path: data, sidecar: sidecar, partial: description.partial, reason: error.inWords)
      }
      doubt = doubt ?? error
    }
    unlink(aside)
    if let doubt { throw .file(doubt) }
  }

  /// Gives a pair whose replacement was interrupted its usual names again.
  static func settle(_ name: PieceName) {
    guard let sidecar = name.sidecar, PieceName.exists(name.data) else { return }
    let pair = FlatPair(sidecar: sidecar)
    if PieceName.exists(sidecar) {
      unlink(pair.aside)
    } else if let found = try? RawTokenPiece(path: name.data, assuming: nil).sidecar {
      if SystemCalls.current.rename(found, sidecar) == 0 { unlink(pair.aside) }
    }
  }
}
