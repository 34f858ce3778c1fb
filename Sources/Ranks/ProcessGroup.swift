import Foundation

/// The processes that train together, as one of them sees them.
///
/// All make the same steps in the same order, and what a step depends on is equal in all of them: the
/// weights, the sums over all lanes, and whether to stop. So any of them could go on alone; rank 0 is the
/// one that writes.
///
/// Once a process is lost, exchanges return at once and their results mean nothing: ``check()`` throws.
public final class ProcessGroup: @unchecked Sendable {
  // Unchecked: the thread that trains alone uses it.

  /// A process of the group.
  public struct Member: Equatable, Sendable {
    /// Its machine.
    public let host: String
    /// The threads that it computes with.
    public let threads: Int
  }

  /// This process' number, from 0.
  public let rank: Int
  /// How many there are.
  public let size: Int
  /// All of them, by rank.
  public private(set) var members: [Member] = []
  /// Why the group is no more, where it is no more.
  public private(set) var failure: RankError?
  /// Whether any process was asked to stop: all come to know it at once, after the same exchange.
  public private(set) var isStopRequested = false
  /// Whether all know that something failed, so that none waits for another.
  public private(set) var hasFailedTogether = false
  /// The bytes that this process has sent so far.
  public private(set) var bytesSent = 0

  private let communicator: any Communicator
  private let wantsToStop: @Sendable () -> Bool

  /// A group whose processes have found each other.
  ///
  /// - Parameters:
  ///   - threads: those of this process.
  ///   - wantsToStop: whether this process was asked to stop.
  public init(
    _ communicator: any Communicator, threads: Int, host: String = ProcessGroup.host,
    wantsToStop: @escaping @Sendable () -> Bool = { false }
  ) throws(RankError) {
    (rank, size) = (communicator.rank, communicator.size)
    self.communicator = communicator
    self.wantsToStop = wantsToStop
    let all = gather(bytes: Array("\(threads) \(host)".utf8))
    try check()
    members = all.map { bytes in
      let words = String(decoding: bytes, as: UTF8.self).split(separator: " ", maxSplits: 1)
      return Member(
        host: words.count > 1 ? String(words[1]) : "", threads: words.first.flatMap { Int($0) } ?? 1
      )
    }
  }

  /// Whether this process is the one that writes.
  public var isFirst: Bool { rank == 0 }
  /// The threads of all processes.
  public var threads: Int { members.reduce(0) { $0 + $1.threads } }
  /// The machines.
  public var hosts: Int { Set(members.map(\.host)).count }

  /// The name of this machine.
  public static var host: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "" }
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The lanes of a process, of so many that all share evenly.
  public func lanes(of rank: Int, among lanes: Int) -> Range<Int> {
    let share = lanes / size
    return rank * share..<(rank + 1) * share
  }

  /// Checks that the processes can share so many lanes, and the lanes a batch.
  public func check(lanes: Int, batch: Int) throws(RankError) {
    guard lanes.isMultiple(of: size) else { throw .uneven(lanes: lanes, size: size) }
    guard batch.isMultiple(of: lanes) else { throw .unevenBatch(batch: batch, size: size) }
  }

  /// Throws why the group is no more, where it is no more.
  public func check() throws(RankError) {
    if let failure { throw failure }
  }

  // MARK: Exchanges, in which all take part

  /// Gives every process the bytes of every other, by rank.
  ///
  /// Of a group that is no more, none but its own.
  public func gather(bytes own: [UInt8]) -> [[UInt8]] {
    var all = [[UInt8]](repeating: [], count: size)
    all[rank] = own
    let counts = gather([Double(own.count)])
    guard failure == nil else { return all }
    let rooms = counts.map {
      UnsafeMutableRawBufferPointer.allocate(byteCount: Int($0[0]), alignment: 16)
    }
    defer { for room in rooms { room.deallocate() } }
    rooms[rank].copyBytes(from: own)
    exchange(
      sends: others.map { Outgoing(to: $0, UnsafeRawBufferPointer(rooms[rank])) },
      receives: others.map { Incoming(from: $0, rooms[$0]) })
    for other in others { all[other] = Array(rooms[other]) }
    return all
  }

  /// Gives every process as many numbers of every other as it has of its own, by rank.
  @discardableResult
  public func gather(_ own: [Double]) -> [[Double]] {
    // The last number says whether this process was asked to stop.
    let sent = own + [wantsToStop() ? 1 : 0]
    let room = UnsafeMutableBufferPointer<Double>.allocate(capacity: size * sent.count)
    defer { room.deallocate() }
    room.initialize(repeating: 0)
    func place(_ rank: Int) -> UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer(
        rebasing: UnsafeMutableRawBufferPointer(room)[
          rank * sent.count * 8..<(rank + 1) * sent.count * 8])
    }
    sent.withUnsafeBytes { place(rank).copyMemory(from: $0) }
    exchange(
      sends: others.map { Outgoing(to: $0, UnsafeRawBufferPointer(place(rank))) },
      receives: others.map { Incoming(from: $0, place($0)) })
    let all = (0..<size).map { Array(room[$0 * sent.count..<($0 + 1) * sent.count]) }
    isStopRequested = isStopRequested || all.contains { $0.last != 0 }
    return all.map { $0.dropLast() }
  }

  /// Sends and receives bytes of any kind, and waits for all that was begun.
  public func exchange(sends: [Outgoing], receives: [Incoming]) {
    begin(sends: sends, receives: receives)
    complete()
  }

  /// Waits until all that was begun is done.
  public func complete() { proceed(waiting: true) }

  /// Begins to send and to receive; the bytes stay where they are until an exchange has ended.
  public func begin(sends: [Outgoing], receives: [Incoming]) {
    bytesSent += sends.reduce(0) { $0 + $1.bytes.count }
    attempt { () throws(RankError) in try communicator.begin(sends: sends, receives: receives) }
  }

  /// Goes on with what was begun, as far as it can without waiting.
  public func proceed() { proceed(waiting: false) }

  private func proceed(waiting: Bool) {
    attempt { () throws(RankError) in try communicator.proceed(waiting: waiting) }
  }

  private func attempt(_ body: () throws(RankError) -> Void) {
    guard failure == nil else { return }
    do throws(RankError) { try body() } catch { failure = named(error) }
  }

  /// Gives every process the parts of a block that are of others: it consists of equal parts, one an item.
  ///
  /// - Parameter owner: whose an item is.
  public func share(
    _ block: UnsafeMutableRawBufferPointer, items: Int, owner: (_ item: Int) -> Int
  ) {
    guard items > 0, !block.isEmpty else { return }
    let part = block.count / items
    let places = (0..<size).map { rank in (0..<items).filter { owner($0) == rank } }
    let rooms = places.map {
      UnsafeMutableRawBufferPointer.allocate(byteCount: $0.count * part, alignment: 16)
    }
    defer { for room in rooms { room.deallocate() } }
    for (index, item) in places[rank].enumerated() {
      (rooms[rank].baseAddress! + index * part)
        .copyMemory(from: block.baseAddress! + item * part, byteCount: part)
    }
    exchange(
      sends: others.map { Outgoing(to: $0, UnsafeRawBufferPointer(rooms[rank])) },
      receives: others.map { Incoming(from: $0, rooms[$0]) })
    guard failure == nil else { return }
    for other in others {
      for (index, item) in places[other].enumerated() {
        (block.baseAddress! + item * part)
          .copyMemory(from: rooms[other].baseAddress! + index * part, byteCount: part)
      }
    }
  }

  /// Checks that something is equal in all processes.
  ///
  /// - Parameters:
  ///   - what: what it is, as in "configuration".
  ///   - value: that of this process, of one line or several.
  public func checkEqual(_ what: String, _ value: String) throws(RankError) {
    let all = gather(bytes: Array(value.utf8)).map { String(decoding: $0, as: UTF8.self) }
    try check()
    for (rank, other) in all.enumerated() where other != all[0] {
      let (found, expected) = Self.firstDifference(other, all[0])
      throw .differs(
        what: what, rank: rank, host: members[rank].host, found: found, expected: expected)
    }
  }

  /// The first lines that differ.
  private static func firstDifference(_ a: String, _ b: String) -> (String, String) {
    func lines(_ text: String) -> [String] {
      text.split(whereSeparator: \.isNewline).map {
        $0.trimmingCharacters(in: CharacterSet(charactersIn: " ,"))
      }
    }
    let (a, b) = (lines(a), lines(b))
    let place = (0..<max(a.count, b.count)).first { index in
      index >= a.count || index >= b.count || a[index] != b[index]
    }
    func line(_ lines: [String]) -> String {
      place.flatMap { $0 < lines.count ? lines[$0] : nil } ?? "nothing"
    }
    return (line(a), line(b))
  }

  /// Does something that may fail in some processes alone, and fails in all where it failed in one.
  ///
  /// - Parameter describe: an error in words.
  public func together<Result>(
    _ describe: (any Error) -> String, _ body: () throws -> Result
  ) throws -> Result {
    let outcome = Swift.Result { try body() }
    var message = ""
    if case .failure(let error) = outcome { message = "!" + describe(error) }
    let all = gather(bytes: Array(message.utf8))
    try check()
    hasFailedTogether = all.contains { !$0.isEmpty }
    if case .failure(let error) = outcome { throw error }
    if let rank = all.firstIndex(where: { !$0.isEmpty }) {
      throw RankError.ended(
        Farewell(
          rank: rank, host: members[rank].host,
          message: String(decoding: all[rank].dropFirst(), as: UTF8.self)))
    }
    return try outcome.get()
  }

  // MARK: The end

  /// Leaves in peace, as all do.
  public func finish() { communicator.finish() }

  /// Ends the others as well.
  ///
  /// - Parameters:
  ///   - message: why, if the trouble began here; else the group knows.
  ///   - code: the exit code.
  public func abandon(_ message: String, code: Int32) {
    if case .ended(let farewell)? = failure {
      communicator.abandon(farewell, code: code)
    } else {
      let host = members.isEmpty ? "" : members[rank].host
      communicator.abandon(Farewell(rank: rank, host: host, message: message), code: code)
    }
  }

  private var others: [Int] { (0..<size).filter { $0 != rank } }

  /// An error with the machine of the rank that it is about.
  private func named(_ error: RankError) -> RankError {
    func host(_ rank: Int) -> String { members.indices.contains(rank) ? members[rank].host : "" }
    switch error {
    case .ended(let farewell) where farewell.host.isEmpty:
      return .ended(
        Farewell(rank: farewell.rank, host: host(farewell.rank), message: farewell.message))
    case .outOfStep(let rank, _): return .outOfStep(rank: rank, host: host(rank))
    default: return error
    }
  }
}
