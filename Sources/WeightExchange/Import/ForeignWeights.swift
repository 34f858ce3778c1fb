import Files
import Foundation
import Safetensors
import TorchFiles

/// Weights that another program wrote: tensors by name, read when they are asked for.
///
/// A file of safetensors or of `torch.save`; a folder, as `save_pretrained` of diffusers and transformers writes
/// it; or an index of several files.
struct ForeignWeights {
  /// What was named.
  let path: String
  /// The tensors by name.
  let tensors: [String: ForeignTensor]
  /// The `config.json` beside the weights, if there is one.
  let settings: JSONObject?
  /// The 16-bit formats among those of the tensors.
  let narrowTypes: [String]

  /// Files of weights in a folder, in the order in which they are looked for.
  private static let names = [
    "diffusion_pytorch_model.safetensors", "model.safetensors", "model.safetensors.index.json",
    "diffusion_pytorch_model.bin", "pytorch_model.bin",
  ]

  /// Halves of a tokenizer, as Cosmos has them: two files that share some constants.
  private static let halves = ["encoder.jit", "decoder.jit"]

  /// Opens a file, a folder, an index, or the two halves in a folder.
  init(path: String, settings: String? = nil) throws {
    self.path = path
    let files = FileManager.default
    var parts = [path]
    var folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    if Folder.isFolder(path) {
      folder = path
      func isThere(_ name: String) -> Bool { files.fileExists(atPath: path + "/" + name) }
      let found = Self.names.first(where: isThere).map { [$0] } ?? Self.halves.filter(isThere)
      guard !found.isEmpty else {
        throw ImportError(
          "\(path): expected a file of weights, or a folder with one of "
            + (Self.names + Self.halves).joined(separator: ", "))
      }
      parts = found.map { path + "/" + $0 }
    }
    let isHalved = parts.allSatisfy { $0.hasSuffix(".jit") }
    if parts[0].hasSuffix(".index.json") { parts = try Self.parts(ofIndex: parts[0]) }
    var tensors: [String: ForeignTensor] = [:]
    for part in parts {
      for (name, tensor) in try Self.tensors(in: part) {
        if isHalved, tensors[name]?.shape == tensor.shape { continue }
        guard tensors.updateValue(tensor, forKey: name) == nil else {
          throw ImportError("\(part): tensor \"\(name)\" is in another part of the weights too")
        }
      }
    }
    self.tensors = tensors
    narrowTypes = Set(tensors.values.map(\.type)).filter { $0 == .f16 || $0 == .bf16 }
      .map(\.rawValue).sorted()
    guard let settings else {
      self.settings = try? Self.settings(folder + "/config.json")
      return
    }
    self.settings = try Self.settings(settings)
  }

  /// Some of the tensors of a file.
  init(path: String, tensors: [String: ForeignTensor], settings: JSONObject?, narrow: [String]) {
    (self.path, self.tensors, self.settings, narrowTypes) = (path, tensors, settings, narrow)
  }

  private static func tensors(in path: String) throws -> [(String, ForeignTensor)] {
    let start: [UInt8]
    let file = try ReadableFile(path: path)
    start = try file.bytes(0..<min(4, file.byteCount))
    file.release()
    if path.hasSuffix(".safetensors") || (start.count == 4 && start[3] == 0 && start[0] != 0x50) {
      let file = try SafetensorsFile(path: path)
      return file.entries.map { entry in
        (
          entry.name,
          ForeignTensor(shape: entry.shape, type: entry.type) { try file.floats(entry.name) }
        )
      }
    }
    let torch = try TorchFile(path: path)
    return torch.tensors.map { tensor in
      (
        tensor.name,
        ForeignTensor(shape: tensor.shape, type: tensor.type) {
          tensor.type.isFloat
            ? try torch.floats(tensor) : try torch.integers(tensor).map { Float($0) }
        }
      )
    }
  }

  /// The files that an index names, beside it.
  private static func parts(ofIndex path: String) throws -> [String] {
    let text = String(decoding: try ReadableFile.contents(of: path), as: UTF8.self)
    guard case .object(let index) = try JSONValue(parsing: text),
      case .object(let map)? = index["weight_map"]
    else { throw ImportError("\(path): expected an index with the key weight_map") }
    var names: Set<String> = []
    for member in map.members {
      guard case .string(let name) = member.value, !name.contains("/") else {
        throw ImportError("\(path): expected the names of files beside it in weight_map")
      }
      names.insert(name)
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    return names.sorted().map { folder + "/" + $0 }
  }

  private static func settings(_ path: String) throws -> JSONObject {
    let bytes = try ReadableFile.contents(of: path, limit: 1 << 24)
    let value: JSONValue
    do { value = try JSONValue(parsing: String(decoding: bytes, as: UTF8.self)) } catch {
      throw ImportError("\(path) is no JSON: \(error)")
    }
    guard case .object(let object) = value else {
      throw ImportError("\(path): expected an object { ... } of settings")
    }
    return object
  }
}

/// How many things there are that are counted from 0: as many as come before the first that is not there.
func count(while isThere: (Int) -> Bool) -> Int { (0..<100).first { !isThere($0) } ?? 100 }

/// A tensor that is read, or made of others, when it is asked for; row-major, as files have it.
struct ForeignTensor {
  /// The extents, outermost first.
  let shape: [Int]
  /// The format in its file.
  var type = ElementType.f32
  /// Its numbers.
  let floats: () throws -> [Float]

  /// The product of the extents.
  var count: Int { shape.reduce(1, *) }

  /// All elements the same.
  static func constant(_ value: Float, _ shape: [Int]) -> ForeignTensor {
    ForeignTensor(shape: shape) { [Float](repeating: value, count: shape.reduce(1, *)) }
  }

  /// A 1x1 convolution that changes nothing: `[n, n, 1, 1]`.
  static func identity(_ n: Int) -> ForeignTensor {
    ForeignTensor(shape: [n, n, 1, 1]) {
      var floats = [Float](repeating: 0, count: n * n)
      for index in 0..<n { floats[index * (n + 1)] = 1 }
      return floats
    }
  }

  /// The same elements under other extents.
  func reshaped(_ shape: [Int]) -> ForeignTensor {
    ForeignTensor(shape: shape, type: type, floats: floats)
  }

  /// Each element changed.
  func map(_ change: @escaping (Float) -> Float) -> ForeignTensor {
    ForeignTensor(shape: shape, type: type) { try floats().map(change) }
  }

  /// A 1x1 filter as the centre of a 3x3 one.
  func centred() -> ForeignTensor {
    ForeignTensor(shape: [shape[0], shape[1], 3, 3], type: type) {
      var result = [Float](repeating: 0, count: count * 9)
      for (index, value) in try floats().enumerated() { result[index * 9 + 4] = value }
      return result
    }
  }

  /// Some rows of the outermost axis, in an order.
  func rows(_ order: [Int]) -> ForeignTensor {
    let length = count / max(1, shape[0])
    return ForeignTensor(shape: [order.count] + shape.dropFirst(), type: type) {
      let all = try floats()
      return order.flatMap { all[($0 * length)..<(($0 + 1) * length)] }
    }
  }
}

/// Why weights cannot be imported: what was expected, what was found, the way out.
public struct ImportError: Error, Equatable, CustomStringConvertible {
  /// One or two sentences.
  public let description: String

  init(_ description: String) { self.description = description }
}
