import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Processes that are connected by TCP, each with each.
///
/// Rank 0 listens where all know; the others tell it where they listen themselves, and it tells all of them. A
/// message is a head of 16 bytes, its kind and its length, and what it says.
final class SocketCommunicator: Communicator {
  let rank: Int
  let size: Int
  private var peers: [Peer]

  /// Finds the others.
  ///
  /// - Parameter address: the machine of rank 0.
  init(_ launch: Launch, address: String) throws(RankError) {
    (rank, size) = (launch.rank, launch.size)
    let meeting = Meeting(launch, address: address)
    let sockets = try rank == 0 ? meeting.receiveOthers() : meeting.visitOthers()
    for socket in sockets.values { socket.prepare() }
    peers = sockets.sorted { $0.key < $1.key }.map { Peer(rank: $0.key, $0.value) }
  }

  deinit {
    for peer in peers { peer.socket.close() }
  }

  func begin(sends: [Outgoing], receives: [Incoming]) throws(RankError) {
    for send in sends { peer(send.rank).send(send.bytes) }
    for receive in receives { peer(receive.rank).expect(receive.bytes) }
  }

  func proceed(waiting: Bool) throws(RankError) {
    var requests: [pollfd] = []
    while true {
      requests.removeAll(keepingCapacity: true)
      for peer in peers where peer.isBusy {
        try peer.proceed()
        if peer.isBusy {
          requests.append(pollfd(fd: peer.socket.descriptor, events: peer.events, revents: 0))
        }
      }
      if requests.isEmpty || !waiting { return }
      poll(&requests, nfds_t(requests.count), 1000)
    }
  }

  /// What was sent arrives, as all that the others sent was received.
  func finish() {
    for peer in peers { shutdown(peer.socket.descriptor, Int32(SHUT_WR)) }
  }

  func abandon(_ reason: Farewell, code: Int32) {
    let text = Array("\(reason.rank) \(reason.host)\n\(reason.message)".utf8)
    for peer in peers where !peer.isInMessage {
      _ = peer.socket.sendAll(MessageHead(.farewell, text.count).bytes + text, within: 1)
    }
    // Who is still about to notice the first of the losses should not take this one for it.
    if reason.rank != rank { usleep(500_000) }
    for peer in peers { shutdown(peer.socket.descriptor, Int32(SHUT_RDWR)) }
  }

  private func peer(_ rank: Int) -> Peer { peers[rank < self.rank ? rank : rank - 1] }
}

/// What stands before a message.
private struct MessageHead {
  enum Kind: UInt32 {
    case data = 0x5445_5301
    case farewell = 0x5445_5302
  }

  static let count = 16
  let kind: UInt32
  let length: Int

  init(_ kind: Kind, _ length: Int) { (self.kind, self.length) = (kind.rawValue, length) }

  init(_ bytes: [UInt8]) {
    kind = UInt32(littleEndian: bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) })
    let length = bytes.withUnsafeBytes {
      $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    }
    self.length = Int(clamping: UInt64(littleEndian: length))
  }

  var bytes: [UInt8] {
    withUnsafeBytes(of: kind.littleEndian) { Array($0) } + [0, 0, 0, 0]
      + withUnsafeBytes(of: UInt64(length).littleEndian) { Array($0) }
  }
}

/// Another process: what is still to be sent to it, and what is expected from it.
private final class Peer {
  let rank: Int
  let socket: Socket
  private var sends: [(head: [UInt8], body: UnsafeRawBufferPointer)] = []
  private var receives: [UnsafeMutableRawBufferPointer] = []
  /// Bytes of the first message of each that are done, those of the head included.
  private var (sent, received) = (0, 0)
  private var head = [UInt8](repeating: 0, count: MessageHead.count)

  init(rank: Int, _ socket: Socket) { (self.rank, self.socket) = (rank, socket) }

  func send(_ bytes: UnsafeRawBufferPointer) {
    sends.append((MessageHead(.data, bytes.count).bytes, bytes))
  }

  func expect(_ bytes: UnsafeMutableRawBufferPointer) { receives.append(bytes) }

  var isBusy: Bool { !sends.isEmpty || !receives.isEmpty }
  /// Whether a message to it was begun: nothing else can follow.
  var isInMessage: Bool { sent > 0 }
  var events: Int16 {
    Int16(sends.isEmpty ? 0 : POLLOUT) | Int16(receives.isEmpty ? 0 : POLLIN)
  }

  /// Sends and receives as much as can be at the moment.
  func proceed() throws(RankError) {
    try proceedReceiving()
    while let (head, body) = sends.first {
      let progress =
        sent < head.count
        ? head.withUnsafeBytes { socket.send(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
        : sent - head.count < body.count
          ? socket.send(UnsafeRawBufferPointer(rebasing: body[(sent - head.count)...])) : .moved(0)
      switch progress {
      case .moved(let count): sent += count
      case .wouldBlock: return
      case .closed: throw lost
      }
      if sent == head.count + body.count {
        sends.removeFirst()
        sent = 0
      }
    }
  }

  private func proceedReceiving() throws(RankError) {
    while let body = receives.first {
      if received < MessageHead.count {
        let progress = head.withUnsafeMutableBytes {
          socket.receive(UnsafeMutableRawBufferPointer(rebasing: $0[received...]))
        }
        guard try advance(progress) else { return }
        guard received == MessageHead.count else { continue }
        try check(MessageHead(head), body.count)
      } else if received - MessageHead.count < body.count {
        let rest = UnsafeMutableRawBufferPointer(
          rebasing: body[(received - MessageHead.count)...])
        guard try advance(socket.receive(rest)) else { return }
      }
      if received == MessageHead.count + body.count {
        receives.removeFirst()
        received = 0
      }
    }
  }

  /// Counts what was received; false where there is no more for now.
  private func advance(_ progress: Socket.Progress) throws(RankError) -> Bool {
    switch progress {
    case .moved(let count):
      received += count
      return true
    case .wouldBlock: return false
    case .closed: throw lost
    }
  }

  private func check(_ head: MessageHead, _ expected: Int) throws(RankError) {
    switch MessageHead.Kind(rawValue: head.kind) {
    case .data where head.length == expected: return
    case .farewell:
      let text = socket.receiveAll(min(head.length, 1 << 16), within: 2) ?? []
      let lines = String(decoding: text, as: UTF8.self).split(
        separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
      let words = (lines.first ?? "").split(separator: " ", maxSplits: 1)
      throw .ended(
        Farewell(
          rank: words.first.flatMap { Int($0) } ?? rank,
          host: words.count > 1 ? String(words[1]) : "",
          message: lines.count > 1 ? String(lines[1]) : ""))
    case .data, nil: throw .outOfStep(rank: rank, host: "")
    }
  }

  private var lost: RankError { .ended(Farewell(rank: rank, host: "")) }
}

/// How the processes find each other.
private struct Meeting {
  let launch: Launch
  let address: String
  private let deadline: ContinuousClock.Instant
  private var patience: Int { launch.patience }

  init(_ launch: Launch, address: String) {
    (self.launch, self.address) = (launch, address)
    deadline = .now + .seconds(launch.patience)
  }

  /// What a process says when it comes.
  private struct Greeting: Equatable {
    var rank: Int
    /// Where it listens itself.
    var port: Int
    var size: Int
    var job: UInt64

    static let count = 40
    private static let mark: UInt64 = 0x7465_7373_6572_6131

    init(rank: Int, port: Int, size: Int, job: String) {
      (self.rank, self.port, self.size) = (rank, port, size)
      self.job = job.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    init?(_ bytes: [UInt8]) {
      let words = bytes.withUnsafeBytes { all in
        (0..<5).map {
          UInt64(littleEndian: all.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self))
        }
      }
      guard words[0] == Self.mark else { return nil }
      (rank, port, size) = (
        Int(clamping: words[1]), Int(clamping: words[2]), Int(clamping: words[3])
      )
      job = words[4]
    }

    var bytes: [UInt8] {
      [Self.mark, UInt64(rank), UInt64(port), UInt64(size), job].flatMap { word in
        withUnsafeBytes(of: word.littleEndian) { Array($0) }
      }
    }
  }

  private func greeting(port: Int) -> Greeting {
    Greeting(rank: launch.rank, port: port, size: launch.size, job: launch.job)
  }

  /// Whether all are on this machine, by the address that they are told.
  private var isLocal: Bool {
    address == "localhost" || address.hasPrefix("127.")
  }

  /// Waits for those of higher rank; as rank 0, tells all of them where they are.
  func receiveOthers() throws(RankError) -> [Int: Socket] {
    let listener = try Socket.listening(port: launch.port, isLocal: isLocal)
    defer { listener.close() }
    let guests = try accept(Array(1..<launch.size), at: listener)
    var places = ""
    for rank in 1..<launch.size {
      let guest = guests[rank]!
      places += "\(guest.socket.peerAddress ?? address) \(guest.port)\n"
    }
    let bytes = Array(places.utf8)
    for rank in 1..<launch.size {
      let length = withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { Array($0) }
      guard guests[rank]!.socket.sendAll(length + bytes, within: 10) else {
        throw .ended(Farewell(rank: rank, host: ""))
      }
    }
    return guests.mapValues(\.socket)
  }

  /// Visits rank 0 and those of lower rank, and waits for those of higher.
  func visitOthers() throws(RankError) -> [Int: Socket] {
    let listener = try Socket.listening(port: 0, isLocal: isLocal)
    defer { listener.close() }
    let greeting = greeting(port: listener.port)
    let first = try visit(address, launch.port, greeting)
    var sockets = [0: first]
    guard let head = first.receiveAll(8, within: Double(patience)) else {
      throw .ended(Farewell(rank: 0, host: ""))
    }
    let length = head.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    guard length < 1 << 22, let text = first.receiveAll(Int(length), within: 10) else {
      throw .ended(Farewell(rank: 0, host: ""))
    }
    let places = String(decoding: text, as: UTF8.self).split(separator: "\n")
    guard places.count == launch.size - 1 else { throw .stranger(found: "rank 0 of another run") }
    for rank in 1..<launch.rank {
      let words = places[rank - 1].split(separator: " ")
      guard words.count == 2, let port = Int(words[1]) else {
        throw .stranger(found: "no place of rank \(rank)")
      }
      sockets[rank] = try visit(String(words[0]), port, greeting)
    }
    let guests = try accept(Array(launch.rank + 1..<launch.size), at: listener)
    return sockets.merging(guests.mapValues(\.socket)) { $1 }
  }

  /// Connects to a process, which may not listen yet, and greets it.
  private func visit(
    _ host: String, _ port: Int, _ greeting: Greeting
  ) throws(RankError) -> Socket {
    var reason = ""
    repeat {
      switch Socket.connected(to: host, port: port) {
      case .success(let socket):
        if socket.sendAll(greeting.bytes, within: 10) { return socket }
        socket.close()
        reason = "it closed the connection"
      case .failure(let error): reason = error.reason
      }
      usleep(100_000)
    } while .now < deadline
    throw .cannotReach(address: host, port: port, seconds: patience, reason: reason)
  }

  /// Waits until all of some ranks have come; strangers are sent away.
  private func accept(
    _ ranks: [Int], at listener: Socket
  ) throws(RankError) -> [Int: (socket: Socket, port: Int)] {
    var guests: [Int: (socket: Socket, port: Int)] = [:]
    while guests.count < ranks.count {
      guard let socket = listener.accepted(before: deadline) else {
        throw .missing(
          ranks: ranks.filter { guests[$0] == nil }, of: launch.size, seconds: patience)
      }
      guard let bytes = socket.receiveAll(Greeting.count, within: 5),
        let guest = Greeting(bytes), guest.job == greeting(port: 0).job
      else {
        socket.close()
        continue
      }
      guard guest.size == launch.size, ranks.contains(guest.rank), guests[guest.rank] == nil else {
        throw .stranger(
          found: "rank \(guest.rank) of \(guest.size), where \(launch.size) are to come, each once")
      }
      guests[guest.rank] = (socket, guest.port)
    }
    return guests
  }
}
