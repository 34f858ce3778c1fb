/// What a pickle describes: values in lists that refer to each other by number.
///
/// No code is looked up or run. A class or a function is its name; what it would have made is an object
/// with that name, its arguments and its state. Lists, dictionaries and objects may contain themselves:
/// whoever walks them bounds the walk.
struct Pickle {
  /// A value, or the number of one that has parts.
  enum Value {
    case none
    case flag(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case bytes(Range<Int>)
    /// A class or function, as `module name`.
    case global(String)
    /// A list, tuple or set.
    case list(Int)
    case dictionary(Int)
    case object(Int)
    /// An integer of more than 64 bits.
    case large
  }

  /// What a class or function would have been called with.
  struct Object {
    /// The class or function; nil for what the file keeps outside of the pickle.
    let maker: String?
    /// A list.
    let arguments: Value
    /// What it would have been set to.
    var state = Value.none
  }

  /// The outermost value.
  private(set) var root = Value.none
  /// The items of lists.
  private(set) var lists: [[Value]] = []
  /// Keys and values of dictionaries, in the order they were set.
  private(set) var dictionaries: [[(key: Value, value: Value)]] = []
  /// The objects.
  private(set) var objects: [Object] = []

  /// Why a pickle cannot be read.
  struct Fault: Error {
    let reason: String
  }

  /// Reads a pickle of any protocol.
  init(_ bytes: [UInt8]) throws(Fault) {
    var machine = Machine(bytes: bytes)
    root = try machine.run(&self)
  }

  fileprivate mutating func list(_ items: [Value]) -> Value {
    lists.append(items)
    return .list(lists.count - 1)
  }

  fileprivate mutating func dictionary(_ items: [Value]) throws(Fault) -> Value {
    dictionaries.append([])
    let value = Value.dictionary(dictionaries.count - 1)
    try set(items, in: value)
    return value
  }

  fileprivate mutating func object(_ maker: Value?, _ arguments: Value) -> Value {
    // A class that is itself an object has no name.
    var name: String?
    if case .global(let text)? = maker { name = text } else if maker != nil { name = "?" }
    objects.append(Object(maker: name, arguments: arguments))
    return .object(objects.count - 1)
  }

  fileprivate mutating func append(_ items: [Value], to target: Value) throws(Fault) {
    switch target {
    case .list(let index): lists[index] += items
    // A class that behaves as a list: what is in it is nobody's weight.
    case .object: break
    default: throw Fault(reason: "it appends to what is no list")
    }
  }

  fileprivate mutating func set(_ items: [Value], in target: Value) throws(Fault) {
    guard items.count.isMultiple(of: 2) else { throw Fault(reason: "a key has no value") }
    let pairs = stride(from: 0, to: items.count, by: 2).map { (items[$0], items[$0 + 1]) }
    switch target {
    case .dictionary(let index):
      dictionaries[index] += pairs.map { (key: $0.0, value: $0.1) }
    case .object(let index):
      // An OrderedDict is one that its class makes: its items are its state.
      if case .dictionary(let state) = objects[index].state {
        dictionaries[state] += pairs.map { (key: $0.0, value: $0.1) }
      } else {
        objects[index].state = try dictionary(items)
      }
    default: throw Fault(reason: "it sets an item of what is no dictionary")
    }
  }

  fileprivate mutating func build(_ state: Value, of target: Value) throws(Fault) {
    guard case .object(let index) = target else { return }
    // What was set item by item stays.
    if case .none = objects[index].state { objects[index].state = state }
  }
}

/// The stack machine that a pickle is a program for.
private struct Machine {
  typealias Value = Pickle.Value
  typealias Fault = Pickle.Fault

  let bytes: [UInt8]
  private var place = 0
  private var stack: [Value] = []
  private var marks: [Int] = []
  private var memo: [Int: Value] = [:]

  init(bytes: [UInt8]) { self.bytes = bytes }

  /// Runs to the end.
  mutating func run(_ pickle: inout Pickle) throws(Fault) -> Value {
    while true {
      let code = try byte()
      switch code {
      case UInt8(ascii: "."): return try pop()
      case 0x80: _ = try byte()  // PROTO
      case 0x95: try skip(8)  // FRAME
      case UInt8(ascii: "("): marks.append(stack.count)
      case UInt8(ascii: "0"): _ = try pop()
      case UInt8(ascii: "1"): _ = try popToMark()
      case UInt8(ascii: "2"): stack.append(try top())

      case UInt8(ascii: "N"): stack.append(.none)
      case 0x88: stack.append(.flag(true))
      case 0x89: stack.append(.flag(false))
      case UInt8(ascii: "J"):
        stack.append(.integer(Int(Int32(bitPattern: UInt32(try unsigned(4))))))
      case UInt8(ascii: "K"): stack.append(.integer(try unsigned(1)))
      case UInt8(ascii: "M"): stack.append(.integer(try unsigned(2)))
      case 0x8A: stack.append(try long(unsigned(1)))
      case 0x8B: stack.append(try long(unsigned(4)))
      case UInt8(ascii: "I"), UInt8(ascii: "L"):
        let text = try line().filter { $0 != "L" }
        switch text {
        case "01": stack.append(.flag(true))
        case "00": stack.append(.flag(false))
        default: stack.append(Int(text).map(Value.integer) ?? .large)
        }
      case UInt8(ascii: "F"): stack.append(.number(Double(try line()) ?? .nan))
      case UInt8(ascii: "G"):
        let bits = try read(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        stack.append(.number(Double(bitPattern: bits)))

      case UInt8(ascii: "X"): try text(unsigned(4))
      case 0x8C: try text(unsigned(1))
      case 0x8D: try text(unsigned(8))
      case UInt8(ascii: "V"), UInt8(ascii: "S"):
        let quoted = try line()
        stack.append(
          .text(code == UInt8(ascii: "S") ? String(quoted.dropFirst().dropLast()) : quoted))
      case UInt8(ascii: "T"), UInt8(ascii: "B"): try data(unsigned(4))
      case UInt8(ascii: "U"), UInt8(ascii: "C"): try data(unsigned(1))
      case 0x8E, 0x96: try data(unsigned(8))
      case 0x97, 0x98: break  // NEXT_BUFFER has no place in a file; READONLY_BUFFER changes nothing

      case UInt8(ascii: "]"), UInt8(ascii: ")"), 0x8F: stack.append(pickle.list([]))
      case UInt8(ascii: "l"), UInt8(ascii: "t"), 0x91: stack.append(pickle.list(try popToMark()))
      case 0x85: stack.append(pickle.list(try pop(1)))
      case 0x86: stack.append(pickle.list(try pop(2)))
      case 0x87: stack.append(pickle.list(try pop(3)))
      case UInt8(ascii: "}"): stack.append(try pickle.dictionary([]))
      case UInt8(ascii: "d"): stack.append(try pickle.dictionary(try popToMark()))
      case UInt8(ascii: "a"):
        let item = try pop()
        try pickle.append([item], to: top())
      case UInt8(ascii: "e"), 0x90:
        let items = try popToMark()
        try pickle.append(items, to: top())
      case UInt8(ascii: "s"):
        let items = try pop(2)
        try pickle.set(items, in: top())
      case UInt8(ascii: "u"):
        let items = try popToMark()
        try pickle.set(items, in: top())

      case UInt8(ascii: "c"): stack.append(.global("\(try line()) \(try line())"))
      case 0x93:
        let names = try pop(2)
        guard case .text(let module) = names[0], case .text(let name) = names[1] else {
          throw Fault(reason: "a class has no name")
        }
        stack.append(.global("\(module) \(name)"))
      case 0x82, 0x83, 0x84:  // EXT: names that only a program knows
        try skip(code == 0x82 ? 1 : code == 0x83 ? 2 : 4)
        stack.append(.global("extension ?"))
      case UInt8(ascii: "R"), 0x81:
        let parts = try pop(2)
        stack.append(pickle.object(parts[0], parts[1]))
      case 0x92:
        let parts = try pop(3)
        stack.append(pickle.object(parts[0], parts[1]))
      case UInt8(ascii: "i"):
        let name = "\(try line()) \(try line())"
        let arguments = pickle.list(try popToMark())
        stack.append(pickle.object(.global(name), arguments))
      case UInt8(ascii: "o"):
        let items = try popToMark()
        guard let maker = items.first else { throw Fault(reason: "an object has no class") }
        let arguments = pickle.list(Array(items.dropFirst()))
        stack.append(pickle.object(maker, arguments))
      case UInt8(ascii: "b"):
        let state = try pop()
        try pickle.build(state, of: top())
      case UInt8(ascii: "Q"):
        let identity = try pop()
        stack.append(pickle.object(nil, identity))
      case UInt8(ascii: "P"): stack.append(pickle.object(nil, .text(try line())))

      case UInt8(ascii: "q"): memo[try unsigned(1)] = try top()
      case UInt8(ascii: "r"): memo[try unsigned(4)] = try top()
      case UInt8(ascii: "p"): memo[Int(try line()) ?? -1] = try top()
      case 0x94: memo[memo.count] = try top()
      case UInt8(ascii: "h"): try recall(unsigned(1))
      case UInt8(ascii: "j"): try recall(unsigned(4))
      case UInt8(ascii: "g"): try recall(Int(line()) ?? -1)
      default:
        throw Fault(reason: "byte \(place - 1) of its pickle, \(code), is no instruction")
      }
    }
  }

  // MARK: Bytes

  private mutating func byte() throws(Fault) -> UInt8 {
    guard place < bytes.count else { throw Fault(reason: "its pickle ends in the middle") }
    place += 1
    return bytes[place - 1]
  }

  private mutating func read(_ count: Int) throws(Fault) -> ArraySlice<UInt8> {
    guard count >= 0, count <= bytes.count - place else {
      throw Fault(reason: "its pickle ends in the middle")
    }
    place += count
    return bytes[place - count..<place]
  }

  private mutating func skip(_ count: Int) throws(Fault) { _ = try read(count) }

  private mutating func unsigned(_ count: Int) throws(Fault) -> Int {
    let value = try read(count).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard let value = Int(exactly: value) else {
      throw Fault(reason: "its pickle claims a length of \(value)")
    }
    return value
  }

  /// A signed integer of some bytes.
  private mutating func long(_ count: Int) throws(Fault) -> Value {
    let digits = try read(count)
    guard let last = digits.last else { return .integer(0) }
    guard count <= 8 else { return .large }
    let start: Int64 = last & 0x80 == 0 ? 0 : -1
    return .integer(Int(digits.reversed().reduce(start) { $0 << 8 | Int64($1) }))
  }

  private mutating func line() throws(Fault) -> String {
    guard let end = bytes[place...].firstIndex(of: 10) else {
      throw Fault(reason: "its pickle ends in the middle of a line")
    }
    defer { place = end + 1 }
    return String(decoding: bytes[place..<end], as: UTF8.self)
  }

  private mutating func text(_ count: Int) throws(Fault) {
    stack.append(.text(String(decoding: try read(count), as: UTF8.self)))
  }

  private mutating func data(_ count: Int) throws(Fault) {
    try skip(count)
    stack.append(.bytes(place - count..<place))
  }

  // MARK: Stack

  /// How much of the stack belongs to what is being collected now.
  private var floor: Int { marks.last ?? 0 }

  private func top() throws(Fault) -> Value {
    guard stack.count > floor, let value = stack.last else {
      throw Fault(reason: "its pickle takes more than it has put")
    }
    return value
  }

  private mutating func pop() throws(Fault) -> Value {
    let value = try top()
    stack.removeLast()
    return value
  }

  private mutating func pop(_ count: Int) throws(Fault) -> [Value] {
    guard stack.count - floor >= count else {
      throw Fault(reason: "its pickle takes more than it has put")
    }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popToMark() throws(Fault) -> [Value] {
    guard let mark = marks.popLast(), mark <= stack.count else {
      throw Fault(reason: "its pickle closes what it has not opened")
    }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  private mutating func recall(_ number: Int) throws(Fault) {
    guard let value = memo[number] else {
      throw Fault(reason: "its pickle refers to value \(number), which it has not kept")
    }
    stack.append(value)
  }
}
