import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A TCP socket: the calls of the system, with errors in words.
struct Socket {
  let descriptor: Int32

  /// The error of the last call, in words.
  static var lastError: String { String(cString: strerror(errno)) }

  private static let stream: Int32 = {
    #if canImport(Glibc)
      Int32(SOCK_STREAM.rawValue)
    #else
      SOCK_STREAM
    #endif
  }()

  /// What `send` is told: no signal where the other side is gone.
  private static let silently: Int32 = {
    #if os(Linux)
      Int32(MSG_NOSIGNAL)
    #else
      0
    #endif
  }()

  func close() { _ = systemClose(descriptor) }

  // MARK: Making connections

  /// A socket that others may connect to.
  ///
  /// - Parameters:
  ///   - port: 0 for any that is free.
  ///   - isLocal: whether only processes of this machine may.
  static func listening(port: Int, isLocal: Bool) throws(RankError) -> Socket {
    var reason = "no address"
    // One of the newer family takes both.
    for family in isLocal ? [AF_INET] : [AF_INET6, AF_INET] {
      let host = isLocal ? "127.0.0.1" : nil
      for address in addresses(host, port: port, family: family, flags: AI_PASSIVE) {
        let socket = Socket(descriptor: systemSocket(address.family, stream, 0))
        guard socket.descriptor >= 0 else { continue }
        socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
        if family == AF_INET6 { socket.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        if address.withPointer({ bind(socket.descriptor, $0, $1) }) == 0,
          listen(socket.descriptor, 1024) == 0
        {
          return socket
        }
        reason = lastError
        socket.close()
      }
    }
    throw .cannotListen(port: port, reason: reason)
  }

  /// A connection; an error in words where there is none.
  static func connected(to host: String, port: Int) -> Result<Socket, SocketError> {
    var reason = "there is no machine of that name"
    for address in addresses(host, port: port, family: AF_UNSPEC, flags: 0) {
      let socket = Socket(descriptor: systemSocket(address.family, stream, 0))
      guard socket.descriptor >= 0 else { continue }
      if address.withPointer({ connect(socket.descriptor, $0, $1) }) == 0 {
        return .success(socket)
      }
      reason = lastError
      socket.close()
    }
    return .failure(SocketError(reason: reason))
  }

  /// The next connection that comes before an instant; nil where none does.
  func accepted(before deadline: ContinuousClock.Instant) -> Socket? {
    while true {
      let rest = ContinuousClock.now.duration(to: deadline) / .milliseconds(1)
      guard rest > 0 else { return nil }
      var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&request, 1, Int32(min(rest, 1000)) + 1) > 0 else { continue }
      let other = accept(descriptor, nil, nil)
      if other >= 0 { return Socket(descriptor: other) }
    }
  }

  /// The port that it listens on.
  var port: Int {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let status = withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getsockname(descriptor, $0, &length)
      }
    }
    guard status == 0 else { return 0 }
    return withUnsafePointer(to: storage) { pointer in
      let bytes = UnsafeRawPointer(pointer)
      // Of both families the port is at the same place.
      return Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
    }
  }

  /// The address of the other side, as numbers.
  var peerAddress: String? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    var name = [CChar](repeating: 0, count: 256)
    let status = withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        getpeername(descriptor, address, &length) == 0
          ? getnameinfo(
            address, length, &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST) : -1
      }
    }
    return status == 0
      ? String(decoding: name.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self) : nil
  }

  /// Makes it fit for long waits and large messages: a machine that is gone is noticed.
  func prepare() {
    set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    set(SOL_SOCKET, SO_KEEPALIVE, 1)
    #if os(Linux)
      set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, 5)
      set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, 5)
      set(Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
      set(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 20_000)
    #else
      set(SOL_SOCKET, SO_NOSIGPIPE, 1)
    #endif
    let flags = fcntl(descriptor, F_GETFL)
    _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
  }

  private func set(_ level: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    _ = setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  // MARK: Bytes

  /// What came of a call.
  enum Progress: Equatable {
    case moved(Int)
    case wouldBlock
    case closed
  }

  func send(_ bytes: UnsafeRawBufferPointer) -> Progress {
    let count = systemSend(descriptor, bytes.baseAddress, bytes.count, Self.silently)
    return count > 0 ? .moved(count) : Self.isTemporary ? .wouldBlock : .closed
  }

  func receive(_ bytes: UnsafeMutableRawBufferPointer) -> Progress {
    let count = recv(descriptor, bytes.baseAddress, bytes.count, 0)
    if count == 0 { return .closed }
    return count > 0 ? .moved(count) : Self.isTemporary ? .wouldBlock : .closed
  }

  private static var isTemporary: Bool { [EAGAIN, EWOULDBLOCK, EINTR].contains(errno) }

  /// Sends all, of a socket that waits or not; false where the other side is gone or takes too long.
  func sendAll(_ bytes: [UInt8], within seconds: Double) -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    return bytes.withUnsafeBytes { all in
      var rest = all[...]
      while !rest.isEmpty {
        switch send(UnsafeRawBufferPointer(rebasing: rest)) {
        case .moved(let count): rest = rest.dropFirst(count)
        case .closed: return false
        case .wouldBlock: guard waits(for: POLLOUT, until: deadline) else { return false }
        }
      }
      return true
    }
  }

  /// Receives so many bytes likewise; nil where they do not come.
  func receiveAll(_ count: Int, within seconds: Double) -> [UInt8]? {
    let deadline = ContinuousClock.now + .seconds(seconds)
    var bytes = [UInt8](repeating: 0, count: count)
    let isWhole = bytes.withUnsafeMutableBytes { all in
      var rest = all[...]
      while !rest.isEmpty {
        guard waits(for: POLLIN, until: deadline) else { return false }
        switch receive(UnsafeMutableRawBufferPointer(rebasing: rest)) {
        case .moved(let count): rest = rest.dropFirst(count)
        case .closed: return false
        case .wouldBlock: continue
        }
      }
      return true
    }
    return isWhole ? bytes : nil
  }

  private func waits(for events: Int32, until deadline: ContinuousClock.Instant) -> Bool {
    while true {
      let rest = ContinuousClock.now.duration(to: deadline) / .milliseconds(1)
      guard rest > 0 else { return false }
      var request = pollfd(fd: descriptor, events: Int16(events), revents: 0)
      if poll(&request, 1, Int32(min(rest, 1000)) + 1) > 0 { return true }
    }
  }

  // MARK: Addresses

  private struct Address {
    var family: Int32
    var storage: [UInt8]

    func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
      storage.withUnsafeBytes {
        body($0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
      }
    }
  }

  private static func addresses(
    _ host: String?, port: Int, family: Int32, flags: Int32
  ) -> [Address] {
    var hints = addrinfo()
    hints.ai_family = family
    hints.ai_socktype = stream
    hints.ai_flags = flags
    var first: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, String(port), &hints, &first) == 0 else { return [] }
    defer { freeaddrinfo(first) }
    var (found, next): ([Address], UnsafeMutablePointer<addrinfo>?) = ([], first)
    while let info = next?.pointee {
      if let address = info.ai_addr {
        let bytes = UnsafeRawBufferPointer(start: address, count: Int(info.ai_addrlen))
        found.append(Address(family: info.ai_family, storage: Array(bytes)))
      }
      next = info.ai_next
    }
    return found
  }
}

/// Why there is no connection.
struct SocketError: Error {
  let reason: String
}

// The system's functions, whose names are those of methods here.
private let systemSocket = socket
private let systemSend = send
private let systemClose = close
