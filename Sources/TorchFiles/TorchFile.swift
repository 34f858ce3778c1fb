import Files
import Safetensors

/// A file of `torch.save` or `torch.jit.save`: its tensors, by their places in it.
///
/// A tensor in nested dictionaries is named by their keys with points between them:
/// `state_dict.encoder.conv_in.weight`. Parts that are no tensors, such as settings or an optimizer's step,
/// are passed over. The file is a zip archive with a pickle in it; the pickle is read as data
/// (``Pickle``): classes in it are neither loaded nor called. Opening reads the directory and
/// the pickle; numbers are read when they are asked for.
public struct TorchFile: Sendable {
  /// The file, as its user named it.
  public let path: String
  /// The tensors, in the order of the file.
  public let tensors: [Tensor]

  private let file: ReadableFile
  private let archive: ZipArchive
  /// The archive's folder, before the names of storages.
  private let folder: String

  /// A tensor in the file: a part of a storage.
  public struct Tensor: Sendable, Equatable {
    /// Keys from the outermost dictionary on, with points between them.
    public let name: String
    /// The format of the numbers.
    public let type: ElementType
    /// The extents, outermost first.
    public let shape: [Int]

    fileprivate let storage: String
    fileprivate let offset: Int
    fileprivate let strides: [Int]

    /// The product of the extents.
    public var count: Int { shape.reduce(1, *) }

    /// Whether its numbers lie one after the other.
    fileprivate var isContiguous: Bool {
      var expected = 1
      for (extent, stride) in zip(shape, strides).reversed() {
        if extent != 1, stride != expected { return false }
        expected *= extent
      }
      return true
    }
  }

  /// Pickles larger than this are refused: those of weights have a few megabytes.
  static let largestPickle = 1 << 28

  /// Opens a file and lists its tensors.
  ///
  /// Errors: no zip archive, damaged, a tensor that lies outside of its storage, two tensors of one
  /// name.
  public init(path: String) throws(TorchFileError) {
    let file: ReadableFile
    do { file = try ReadableFile(path: path) } catch { throw .file(error) }
    let start = try file.slice(0, min(16, file.byteCount))
    guard start.starts(with: ZipArchive.signature) else { throw Self.other(path, start) }
    let archive = try ZipArchive(file)
    guard
      let entry = archive.entries.values.filter({
        $0.name == "data.pkl" || $0.name.hasSuffix("/data.pkl")
      }).min(by: { ($0.name.count, $0.name) < ($1.name.count, $1.name) })
    else {
      throw .damaged(path, "it is a zip archive without data.pkl: not a file of torch.save")
    }
    guard entry.byteCount <= Self.largestPickle else {
      throw .damaged(path, "its data.pkl has \(entry.byteCount) bytes, more than weights have")
    }
    self.path = path
    self.file = file
    self.archive = archive
    folder = String(entry.name.dropLast("data.pkl".count))
    if let order = archive.entries[folder + "byteorder"], order.byteCount < 16,
      try archive.bytes(of: order) != Array("little".utf8)
    {
      throw .damaged(path, "its numbers are big-endian. Save it again on another machine")
    }
    let pickle: Pickle
    do { pickle = try Pickle(try archive.bytes(of: entry)) } catch let fault as Pickle.Fault {
      throw .damaged(path, fault.reason)
    } catch let error as TorchFileError { throw error } catch { throw .damaged(path, "\(error)") }
    var walk = Walk(pickle: pickle, path: path)
    try walk.visit(pickle.root, name: "", depth: 0)
    tensors = walk.tensors
  }

  /// What a file is that is no zip archive.
  private static func other(_ path: String, _ start: [UInt8]) -> TorchFileError {
    // The number that PyTorch put at the beginning of its files before version 1.6.
    let oldMagic: [UInt8] = [
      0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
    ]
    if start.dropFirst(2).starts(with: oldMagic) {
      return .older(path)
    }
    return .damaged(
      path,
      start.isEmpty
        ? "it is empty" : "it is neither a file of torch.save nor of safetensors")
  }

  /// The numbers of a tensor, row-major.
  ///
  /// F16 and BF16 widen exactly; F64 rounds.
  ///
  /// Errors: no floating-point numbers; a storage that is cut short.
  public func floats(_ tensor: Tensor) throws(TorchFileError) -> [Float] {
    let name = folder + "data/" + tensor.storage
    guard let entry = archive.entries[name] else {
      throw .damaged(path, "\"\(tensor.name)\" lies in \(name), which is not there")
    }
    let size = tensor.type.byteCount
    let last = zip(tensor.shape, tensor.strides).reduce(tensor.offset) { $0 + ($1.0 - 1) * $1.1 }
    guard tensor.count == 0 || last < entry.byteCount / size else {
      throw .damaged(
        path,
        "\"\(tensor.name)\" reaches to element \(last) of \(entry.byteCount / size) in \(name)")
    }
    guard tensor.count > 0 else { return [] }
    let start = try archive.start(of: entry) + tensor.offset * size
    let bytes = try file.slice(start, (last - tensor.offset + 1) * size)
    guard let floats = bytes.withUnsafeBytes({ tensor.type.floats($0) }) else {
      throw .damaged(
        path, "\"\(tensor.name)\" holds \(tensor.type.rawValue), expected floating-point numbers")
    }
    return tensor.isContiguous ? floats : Self.gathered(floats, tensor)
  }

  /// The numbers of a tensor of integers, in row-major order.
  ///
  /// - Throws: as ``floats(_:)``; where it is no tensor of 32 or 64 bits, signed.
  public func integers(_ tensor: Tensor) throws(TorchFileError) -> [Int] {
    let name = folder + "data/" + tensor.storage
    let size = tensor.type.byteCount
    guard let entry = archive.entries[name], tensor.isContiguous,
      tensor.offset + tensor.count <= entry.byteCount / size
    else { throw .damaged(path, "\"\(tensor.name)\" reaches beyond what lies in \(name)") }
    let start = try archive.start(of: entry) + tensor.offset * size
    let bytes = try file.slice(start, tensor.count * size)
    let integers: [Int]? = bytes.withUnsafeBytes { bytes in
      switch tensor.type {
      case .i32:
        (0..<tensor.count).map {
          Int(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self)))
        }
      case .i64:
        (0..<tensor.count).map {
          Int(Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)))
        }
      default: nil
      }
    }
    guard let integers else {
      throw .damaged(path, "\"\(tensor.name)\" holds \(tensor.type.rawValue), expected I32 or I64")
    }
    return integers
  }

  /// Numbers that lie some way apart, one after the other.
  private static func gathered(_ storage: [Float], _ tensor: Tensor) -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(tensor.count)
    var index = [Int](repeating: 0, count: tensor.shape.count)
    while true {
      result.append(storage[zip(index, tensor.strides).reduce(0) { $0 + $1.0 * $1.1 }])
      var axis = index.count - 1
      while axis >= 0 {
        index[axis] += 1
        if index[axis] < tensor.shape[axis] { break }
        index[axis] = 0
        axis -= 1
      }
      if axis < 0 { return result }
    }
  }

  // MARK: Tensors of a pickle

  /// The way through dictionaries to tensors.
  private struct Walk {
    let pickle: Pickle
    let path: String
    var tensors: [Tensor] = []
    private var names: Set<String> = []
    private var steps = 0

    /// Dictionaries nested deeper hold no weights.
    private static let deepest = 32
    private static let mostSteps = 10_000_000

    init(pickle: Pickle, path: String) { (self.pickle, self.path) = (pickle, path) }

    mutating func visit(
      _ value: Pickle.Value, name: String, depth: Int
    ) throws(TorchFileError) {
      steps += 1
      guard steps <= Self.mostSteps else {
        throw .damaged(path, "its pickle refers to itself again and again")
      }
      guard depth <= Self.deepest else { return }
      switch value {
      case .dictionary(let index):
        for (key, value) in pickle.dictionaries[index] {
          guard let key = Self.text(key) else { continue }
          try visit(value, name: name.isEmpty ? key : name + "." + key, depth: depth + 1)
        }
      case .object(let index):
        let object = pickle.objects[index]
        switch object.maker {
        case "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor":
          try add(object, name)
        case "torch._utils _rebuild_parameter", "torch._utils _rebuild_parameter_with_state":
          if case .list(let list) = object.arguments, let data = pickle.lists[list].first {
            try visit(data, name: name, depth: depth + 1)
          }
        default:
          // A module of TorchScript keeps its parameters in its state, an OrderedDict its items.
          if case .dictionary = object.state {
            try visit(object.state, name: name, depth: depth + 1)
          }
        }
      default: break
      }
    }

    private static func text(_ key: Pickle.Value) -> String? {
      switch key {
      case .text(let text): text
      case .integer(let number): String(number)
      default: nil
      }
    }

    /// Adds a tensor: a storage, an offset, extents and strides.
    private mutating func add(_ object: Pickle.Object, _ name: String) throws(TorchFileError) {
      func fault(_ reason: String) -> TorchFileError { .damaged(path, "\"\(name)\" \(reason)") }
      guard case .list(let index) = object.arguments else { throw fault("has no arguments") }
      let arguments = pickle.lists[index]
      guard arguments.count >= 4, let (type, storage, elements) = storage(arguments[0]),
        case .integer(let offset) = arguments[1], let shape = integers(arguments[2]),
        let strides = integers(arguments[3])
      else {
        // Complex numbers, quantized ones and the like: no weights of a tokenizer.
        return
      }
      guard offset >= 0, shape.count == strides.count, shape.allSatisfy({ $0 >= 0 }),
        strides.allSatisfy({ $0 >= 0 })
      else { throw fault("has extents \(shape) with strides \(strides)") }
      // The place of the last element, unless there is none.
      var (last, overflow) = (offset, false)
      var count = 1
      for (extent, stride) in zip(shape, strides) {
        let (reach, first) = max(extent - 1, 0).multipliedReportingOverflow(by: stride)
        let (sum, second) = last.addingReportingOverflow(reach)
        let (product, third) = count.multipliedReportingOverflow(by: extent)
        (last, count, overflow) = (sum, product, overflow || first || second || third)
      }
      guard !overflow, count == 0 || last < elements, count <= elements else {
        throw fault("has extents \(shape), more than the \(elements) elements of its storage")
      }
      guard names.insert(name).inserted else { throw fault("is there twice") }
      tensors.append(
        Tensor(
          name: name, type: type, shape: shape, storage: storage, offset: offset, strides: strides))
    }

    private func integers(_ value: Pickle.Value) -> [Int]? {
      guard case .list(let index) = value else { return nil }
      var numbers: [Int] = []
      for item in pickle.lists[index] {
        guard case .integer(let number) = item else { return nil }
        numbers.append(number)
      }
      return numbers
    }

    /// A storage: `("storage", class, key, device, elements)`, which the file keeps beside the pickle.
    private func storage(_ value: Pickle.Value) -> (ElementType, String, Int)? {
      guard case .object(let index) = value, pickle.objects[index].maker == nil,
        case .list(let list) = pickle.objects[index].arguments
      else { return nil }
      let parts = pickle.lists[list]
      guard parts.count >= 5, case .global(let kind) = parts[1], case .text(let key) = parts[2],
        case .integer(let elements) = parts[4], elements >= 0,
        let type = Self.types[kind]
      else { return nil }
      return (type, key, elements)
    }

    private static let types: [String: ElementType] = {
      let words: [(String, ElementType)] = [
        ("Float", .f32), ("Half", .f16), ("BFloat16", .bf16), ("Double", .f64), ("Long", .i64),
        ("Int", .i32), ("Short", .i16), ("Char", .i8), ("Byte", .u8), ("Bool", .bool),
      ]
      return Dictionary(uniqueKeysWithValues: words.map { ("torch \($0.0)Storage", $0.1) })
    }()
  }
}

/// Errors in a file of `torch.save`.
public enum TorchFileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file cannot be read at all.
  case file(FileError)
  /// A file of PyTorch before version 1.6, which is no zip archive.
  case older(String)
  /// The file breaks a rule of the format.
  case damaged(String, String)

  /// The file, what was found, the way out.
  public var description: String {
    switch self {
    case .file(let error): error.description
    case .older(let path):
      "\(path) was written by PyTorch before version 1.6, in another format. Save it again with a "
        + "newer one: torch.save(torch.load(\"old.pt\", map_location=\"cpu\"), \"new.pt\")"
    case .damaged(let path, let reason):
      "\(path) cannot be read: \(reason). Copy or download it again, or save its state dict "
        + "with safetensors.torch.save_file."
    }
  }
}
