import Autodiff
import Ranks
import Synchronization

/// Sums gradients over the lanes of several processes, in the order of the lanes.
///
/// Each process sums a part of the parameters: it takes that part of the gradients of all lanes of the
/// others, adds them up lane by lane, and gives the sum to all. Of `P` parameters and `L` lanes a
/// process of `R` sends `P (L + R) (R - 1) / R^2` numbers. Sums of sums, which are fewer, would depend on
/// how many processes there are.
///
/// A slice of the gradients is on its way as soon as no instruction of the last replay adds to it any more:
/// the reverse sweep goes on meanwhile, and moves bytes between its instructions.
final class GradientExchange<B: Backend>: @unchecked Sendable {
  // Unchecked: slices that are summed at the same time do not overlap; lanes only count their instructions.

  /// The slices that this process sums, by their numbers.
  let ownSlices: [Int]

  private let session: Session<B>
  private let group: ProcessGroup
  private let backend: B
  private let slices: [Range<Int>]
  /// The numbers of the slices in the order in which they are final, and the instructions that end them.
  private let order: [(slice: Int, end: Int)]
  /// Whose each slice is to sum.
  private let owners: [Int]
  /// Where each own slice lies in the rooms.
  private let places: [Int: Int]
  /// Room for the own slices of the gradients of all other processes' lanes, by lane.
  private let rooms: [Int: B.Memory]
  /// The instructions of its last replay that each own lane has executed.
  private let progress: [LaneProgress]
  /// How many slices are on their way, of the order.
  private var begun = 0

  private final class LaneProgress: Sendable {
    let instructions = Atomic<Int>(0)
  }

  /// An exchange of the gradients of a session.
  ///
  /// - Parameter slices: the words of the slices.
  init(_ session: Session<B>, _ slices: [Range<Int>], _ group: ProcessGroup) {
    (self.session, self.group, self.slices) = (session, group, slices)
    backend = session.backend
    let ends = Self.ends(of: slices, in: session.plan)
    order = slices.indices.sorted { (ends[$0], $0) < (ends[$1], $1) }.map { ($0, ends[$0]) }
    // Of slices that are final together each process has some.
    var owners = [Int](repeating: 0, count: slices.count)
    for (place, entry) in order.enumerated() { owners[entry.slice] = place % group.size }
    self.owners = owners
    ownSlices = slices.indices.filter { owners[$0] == group.rank }
    var (places, words) = ([Int: Int](), 0)
    for slice in ownSlices {
      places[slice] = words
      words += slices[slice].count
    }
    self.places = places
    var rooms: [Int: B.Memory] = [:]
    for lane in 0..<session.lanes where !session.ownLanes.contains(lane) && words > 0 {
      rooms[lane] = session.backend.allocate(words: words)
    }
    self.rooms = rooms
    progress = session.ownLanes.map { _ in LaneProgress() }
  }

  /// The number of instructions after which nothing is added to each slice any more.
  private static func ends(of slices: [Range<Int>], in plan: Plan) -> [Int] {
    var ends = [Int](repeating: 0, count: slices.count)
    for (index, instruction) in plan.instructions.enumerated() {
      for output in instruction.outputs where output.region == .gradients {
        let words = output.offset..<output.offset + output.shape.count
        for slice in slices.indices where slices[slice].overlaps(words) { ends[slice] = index + 1 }
      }
    }
    return ends
  }

  // MARK: While lanes replay

  /// Makes ready for a run: what others send has its place.
  func prepare() {
    begun = 0
    for lane in progress { lane.instructions.store(0, ordering: .relaxed) }
    var receives: [Incoming] = []
    for (slice, _) in order where owners[slice] == group.rank {
      for rank in 0..<group.size where rank != group.rank {
        for lane in group.lanes(of: rank, among: session.lanes) {
          let bytes = bytes(rooms[lane]!, places[slice]!, slices[slice].count)
          receives.append(Incoming(from: rank, bytes))
        }
      }
    }
    group.begin(sends: [], receives: receives)
  }

  /// A lane has executed so many instructions of its last replay.
  ///
  /// - Parameter lane: of those of this process. The thread that runs the session exchanges between its own
  ///   instructions; the others only count.
  func advance(lane: Int, instructions: Int) {
    progress[lane].instructions.store(instructions, ordering: .releasing)
    guard lane.isMultiple(of: session.threads) else { return }
    beginFinal()
    if begun > 0 { group.proceed() }
  }

  /// Sends what was not sent before, once all lanes are done.
  func complete() {
    for lane in progress { lane.instructions.store(.max, ordering: .relaxed) }
    beginFinal()
  }

  /// Begins to send the slices to which all lanes have added all.
  private func beginFinal() {
    guard begun < order.count else { return }
    let done = progress.reduce(Int.max) { min($0, $1.instructions.load(ordering: .acquiring)) }
    var sends: [Outgoing] = []
    while begun < order.count, order[begun].end <= done {
      let slice = order[begun].slice
      begun += 1
      guard owners[slice] != group.rank else { continue }
      for memory in session.memories {
        let bytes = bytes(memory.gradients, slices[slice].lowerBound, slices[slice].count)
        sends.append(Outgoing(to: owners[slice], UnsafeRawBufferPointer(bytes)))
      }
    }
    guard !sends.isEmpty else { return }
    group.begin(sends: sends, receives: [])
    session.trace?.addSent(bytes: sends.reduce(0) { $0 + $1.bytes.count })
  }

  // MARK: Once they are done

  /// Waits for the own slices of the gradients of the others' lanes.
  func collect() {
    session.exchanging(in: group) { group.complete() }
  }

  /// Sums an own slice over all lanes, into the gradients of the first own lane.
  func sum(_ slice: Int) {
    let (range, place) = (slices[slice], places[slice]!)
    let terms = (0..<session.lanes).map { lane in
      rooms[lane].map { ($0, place) }
        ?? (session.memories[lane - session.ownLanes.lowerBound].gradients, range.lowerBound)
    }
    backend.sum(terms, words: range.count)
    let (first, target) = (terms[0], session.memories[0].gradients)
    guard first.0 !== target else { return }
    (backend.words(of: target) + range.lowerBound * 4).copyMemory(
      from: backend.words(of: first.0) + first.1 * 4, byteCount: range.count * 4)
  }

  /// Gives the sums of the own slices to the others, and takes theirs.
  ///
  /// - Parameter squares: of each slice; those of other processes' slices are filled in.
  func distribute(_ squares: UnsafeMutableBufferPointer<Double>) {
    let sums = session.memories[0].gradients
    var (sends, receives): ([Outgoing], [Incoming]) = ([], [])
    for slice in slices.indices {
      let parts = [
        bytes(sums, slices[slice].lowerBound, slices[slice].count),
        UnsafeMutableRawBufferPointer(
          UnsafeMutableBufferPointer(rebasing: squares[slice..<slice + 1])),
      ]
      for part in parts {
        if owners[slice] == group.rank {
          for other in 0..<group.size where other != group.rank {
            sends.append(Outgoing(to: other, UnsafeRawBufferPointer(part)))
          }
        } else {
          receives.append(Incoming(from: owners[slice], part))
        }
      }
    }
    session.exchanging(in: group) { group.exchange(sends: sends, receives: receives) }
  }

  private func bytes(
    _ memory: B.Memory, _ offset: Int, _ words: Int
  ) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      start: backend.words(of: memory) + offset * 4, count: words * 4)
  }
}
