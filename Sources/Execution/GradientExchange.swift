import Ranks

/// Sums gradients over the lanes of several processes, in the order of the lanes.
///
/// Each process sums a part of the parameters: it takes that part of the gradients of all lanes of the
/// others, adds them up lane by lane, and gives the sum to all. Of `P` parameters and `L` lanes a
/// process of `R` sends `P (L + R) (R - 1) / R^2` numbers. Sums of sums, which are fewer, would depend on
/// how many processes there are.
final class GradientExchange<B: Backend>: @unchecked Sendable {
  // Unchecked: slices that are summed at the same time do not overlap.

  /// The slices that this process sums.
  let ownSlices: Range<Int>

  private let session: Session<B>
  private let group: ProcessGroup
  private let backend: B
  /// The slices and the words of each process.
  private let shares: [(slices: Range<Int>, words: Range<Int>)]
  /// Room for the own part of the gradients of all other processes' lanes, by lane.
  private let rooms: [Int: B.Memory]

  /// An exchange of the gradients of a session.
  ///
  /// - Parameter slices: the words of the slices, one after the other.
  init(_ session: Session<B>, _ slices: [Range<Int>], _ group: ProcessGroup) {
    (self.session, self.group, backend) = (session, group, session.backend)
    shares = (0..<group.size).map { rank in
      let own = slices.count * rank / group.size..<slices.count * (rank + 1) / group.size
      let words =
        own.isEmpty
        ? 0..<0 : slices[own.lowerBound].lowerBound..<slices[own.upperBound - 1].upperBound
      return (own, words)
    }
    ownSlices = shares[group.rank].slices
    let words = shares[group.rank].words.count
    var rooms: [Int: B.Memory] = [:]
    for lane in 0..<session.lanes where !session.ownLanes.contains(lane) && words > 0 {
      rooms[lane] = session.backend.allocate(words: words)
    }
    self.rooms = rooms
  }

  /// Takes the own part of the gradients of the others' lanes, and sends them theirs.
  func collect() {
    let own = shares[group.rank].words
    var (sends, receives): ([Outgoing], [Incoming]) = ([], [])
    for rank in 0..<group.size where rank != group.rank {
      for memory in session.memories where !shares[rank].words.isEmpty {
        sends.append(Outgoing(to: rank, .init(bytes(memory.gradients, shares[rank].words))))
      }
      for lane in group.lanes(of: rank, among: session.lanes) {
        guard let room = rooms[lane] else { continue }
        receives.append(Incoming(from: rank, bytes(room, 0..<own.count)))
      }
    }
    session.exchanging(in: group) { group.exchange(sends: sends, receives: receives) }
  }

  /// Sums a range of the own part over all lanes, into the gradients of the first own lane.
  func sum(_ range: Range<Int>) {
    let start = range.lowerBound - shares[group.rank].words.lowerBound
    let terms = (0..<session.lanes).map { lane in
      rooms[lane].map { ($0, start) }
        ?? (session.memories[lane - session.ownLanes.lowerBound].gradients, range.lowerBound)
    }
    backend.sum(terms, words: range.count)
    let (first, target) = (terms[0], session.memories[0].gradients)
    guard first.0 !== target else { return }
    (backend.words(of: target) + range.lowerBound * 4).copyMemory(
      from: backend.words(of: first.0) + first.1 * 4, byteCount: range.count * 4)
  }

  /// Gives the own part of the sums to the others, and takes theirs.
  ///
  /// - Parameter squares: of each slice; those of other processes' slices are filled in.
  func distribute(_ squares: UnsafeMutableBufferPointer<Double>) {
    let sums = session.memories[0].gradients
    var (sends, receives): ([Outgoing], [Incoming]) = ([], [])
    for rank in 0..<group.size {
      let share = shares[rank]
      guard !share.words.isEmpty else { continue }
      let parts = [
        bytes(sums, share.words),
        UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: squares[share.slices])),
      ]
      for part in parts {
        if rank == group.rank {
          for other in 0..<group.size where other != rank {
            sends.append(Outgoing(to: other, UnsafeRawBufferPointer(part)))
          }
        } else {
          receives.append(Incoming(from: rank, part))
        }
      }
    }
    session.exchanging(in: group) { group.exchange(sends: sends, receives: receives) }
  }

  private func bytes(_ memory: B.Memory, _ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      start: backend.words(of: memory) + range.lowerBound * 4, count: range.count * 4)
  }
}
