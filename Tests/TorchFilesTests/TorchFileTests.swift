import FileTestSupport
import Foundation
import Testing
import TorchFiles

/// Files of `torch.save`: what is in them, and what is wrong with them.
struct TorchFileTests {
  private let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private func open(_ bytes: [UInt8]) throws -> TorchFile {
    try folder.write(bytes, to: "weights.pt")
    return try TorchFile(path: folder.file("weights.pt"))
  }

  private func open(_ value: [UInt8], _ storages: [(String, [UInt8])]) throws -> TorchFile {
    var archive = TorchArchive(pickle: TorchArchive.program(value))
    archive.storages = storages.map { (key: $0.0, bytes: $0.1) }
    return try open(archive.bytes)
  }

  private func reason(_ value: [UInt8], _ storages: [(String, [UInt8])] = []) -> String {
    do {
      let file = try open(value, storages)
      for tensor in file.tensors { _ = try file.floats(tensor) }
      return ""
    } catch { return "\(error)" }
  }

  /// Two tensors, one of them transposed, below a key.
  static let sample = TorchArchive.dictionary([
    (
      "state_dict",
      TorchArchive.dictionary([
        ("a.weight", TorchArchive.tensor("0", [2, 3], elements: 6)),
        ("b", TorchArchive.tensor("0", [3, 2], elements: 6, strides: [1, 3])),
        ("tail", TorchArchive.tensor("0", [2], elements: 6, offset: 4)),
      ])
    ),
    ("epoch", TorchArchive.integer(7)),
  ])
  static let numbers = TorchArchive.floats([1, 2, 3, 4, 5, 6])

  @Test func tensorsAreNamedByTheirPlaces() throws {
    let file = try open(Self.sample, [("0", Self.numbers)])
    #expect(file.tensors.map(\.name) == ["state_dict.a.weight", "state_dict.b", "state_dict.tail"])
    #expect(file.tensors.map(\.shape) == [[2, 3], [3, 2], [2]])
    #expect(try file.floats(file.tensors[0]) == [1, 2, 3, 4, 5, 6])
    #expect(try file.floats(file.tensors[1]) == [1, 4, 2, 5, 3, 6])
    #expect(try file.floats(file.tensors[2]) == [5, 6])
  }

  @Test func codeIsNeitherLoadedNorRun() throws {
    let marker = folder.file("was run")
    let evil = TorchArchive.call(
      TorchArchive.global("os", "system"), [TorchArchive.text("touch '\(marker)'")])
    let file = try open(
      TorchArchive.dictionary([
        ("hook", evil), ("w", TorchArchive.tensor("0", [6], elements: 6)),
      ]), [("0", Self.numbers)])
    #expect(file.tensors.map(\.name) == ["w"])
    #expect(!FileManager.default.fileExists(atPath: marker))
  }

  @Test func faultsAreTold() {
    let six = [("0", Self.numbers)]
    func dictionary(_ tensor: [UInt8]) -> [UInt8] { TorchArchive.dictionary([("w", tensor)]) }
    let cases: [([UInt8], [(String, [UInt8])], String)] = [
      (dictionary(TorchArchive.tensor("0", [7], elements: 6)), six, "more than the 6 elements"),
      (dictionary(TorchArchive.tensor("0", [2], elements: 6, offset: 5)), six, "more than the 6"),
      (
        dictionary(TorchArchive.tensor("0", [2], elements: 9, offset: 5)), six,
        "reaches to element 6"
      ),
      (dictionary(TorchArchive.tensor("0", [-2], elements: 6)), six, "extents [-2]"),
      (dictionary(TorchArchive.tensor("0", [2], elements: 6, offset: -1)), six, "extents [2]"),
      (
        dictionary(
          TorchArchive.tensor("0", [1_000_000, 1_000_000], elements: 6, strides: [0, 0])), six,
        "more than the 6 elements"
      ),
      (dictionary(TorchArchive.tensor("1", [6], elements: 6)), six, "which is not there"),
      (
        dictionary(TorchArchive.tensor("0", [3], elements: 3, kind: "LongStorage")), six,
        "expected floating-point numbers"
      ),
      (TorchArchive.global("a", "b") + [UInt8(ascii: "R")], [], "takes more than it has put"),
      ([UInt8(ascii: "t")], [], "closes what it has not opened"),
      ([UInt8(ascii: "h"), 3], [], "refers to value 3"),
      ([0xFF], [], "is no instruction"),
      ([UInt8(ascii: "X"), 0xFF, 0xFF, 0xFF, 0x7F], [], "ends in the middle"),
      (Array("cmodule".utf8), [], "in the middle of a line"),
    ]
    for (value, storages, expected) in cases {
      let found = reason(value, storages)
      #expect(found.contains(expected), "expected \(expected), found \(found)")
      #expect(found.contains("weights.pt"))
    }
  }

  @Test func otherFilesAreNamed() throws {
    let older: [UInt8] = [
      0x80, 2, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E,
    ]
    #expect(throws: TorchFileError.older(folder.file("weights.pt"))) { try open(older) }
    var archive = TorchArchive(pickle: TorchArchive.program(Self.sample))
    archive.method = 8
    #expect(message(of: archive.bytes).contains("compressed"))
    archive.method = 0
    archive.flags = 1
    #expect(message(of: archive.bytes).contains("encrypted"))
    #expect(message(of: []).contains("it is empty"))
    #expect(message(of: Array("hello, world".utf8)).contains("neither a file of torch.save"))
    archive.flags = 0
    #expect(message(of: Array(archive.bytes.dropLast(30))).contains("cut short"))
    #expect(throws: TorchFileError.self) { try TorchFile(path: folder.file("nothing")) }
  }

  private func message(of bytes: [UInt8]) -> String {
    do { _ = try open(bytes) } catch { return "\(error)" }
    return ""
  }

  /// Lists within lists, dictionaries that contain themselves, and values that are referred to again and again.
  @Test func pathologicalPicklesEnd() throws {
    let deep =
      [UInt8](repeating: UInt8(ascii: "]"), count: 500_000)
      + [UInt8](repeating: UInt8(ascii: "a"), count: 499_999)
    #expect(try open(deep, []).tensors.isEmpty)
    let nested =
      (0..<5_000).flatMap { _ in Array("}".utf8) + TorchArchive.text("k") }
      + Array("N".utf8) + [UInt8](repeating: UInt8(ascii: "s"), count: 5_000)
    #expect(try open(nested, []).tensors.isEmpty)
    let itself =
      Array("}q".utf8) + [0] + TorchArchive.text("k") + Array("h".utf8) + [0, UInt8(ascii: "s")]
    #expect(try open(itself, []).tensors.isEmpty)
    // Each dictionary holds the last one ten times: 10^20 ways.
    var bomb: [UInt8] = Array("}q".utf8) + [0]
    for level in 1...20 {
      bomb += Array("}(".utf8)
      for key in 0..<10 {
        bomb += TorchArchive.text("\(key)") + [UInt8(ascii: "h"), UInt8(level - 1)]
      }
      bomb += [UInt8(ascii: "u"), UInt8(ascii: "q"), UInt8(level)]
    }
    #expect(reason(bomb).contains("again and again"))
  }

  /// Spoilt files are errors or other weights, and never end the program.
  @Test func spoiltFilesAreNoCrash() throws {
    var archive = TorchArchive(pickle: TorchArchive.program(Self.sample))
    archive.storages = [(key: "0", bytes: Self.numbers)]
    let bytes = archive.bytes
    var state: UInt64 = 12345
    func random(_ below: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % below
    }
    var failures = 0
    for round in 0..<3_000 {
      var spoilt = bytes
      if round % 3 == 0 {
        spoilt = Array(spoilt.prefix(random(bytes.count)))
      } else {
        for _ in 0...random(4) { spoilt[random(spoilt.count)] = UInt8(random(256)) }
      }
      do {
        let file = try open(spoilt)
        for tensor in file.tensors { _ = try file.floats(tensor) }
      } catch is TorchFileError { failures += 1 }
    }
    #expect(failures > 1_000)
  }

  /// What PyTorch itself writes: types, views, parameters, nested and foreign objects, TorchScript.
  @Test(.enabled(if: PythonPeer.torch.isHere, "\(PythonPeer.torch.absence)"))
  func filesOfPyTorchAreRead() throws {
    let output = try PythonPeer.torch.run(
      script: """
        import sys, torch, collections, argparse
        folder = sys.argv[1]
        base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 8
        state = collections.OrderedDict(
            plain=base, transposed=base.T, part=base[1:3, 2:5], half=base.half(), brain=base.bfloat16(),
            double=base.double(), parameter=torch.nn.Parameter(base), scalar=base[0, 3].clone(), empty=base[:0],
            integers=torch.arange(3))
        state._metadata = {"": {"version": 1}}
        torch.save({"state_dict": state, "epoch": 3, "hyper": argparse.Namespace(a=1), "callbacks": {"x": {1, 2}}},
                   folder + "/nested.ckpt")
        class Inner(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = torch.nn.Conv2d(2, 3, 1)
            def forward(self, x):
                return self.conv(x)
        torch.manual_seed(0)
        inner = torch.nn.Sequential(Inner(), torch.nn.SiLU())
        torch.jit.save(torch.jit.trace(inner, torch.zeros(1, 2, 4, 4)), folder + "/script.jit")
        print(" ".join(str(v) for v in inner[0].conv.weight.flatten().tolist()))
        torch.save(inner.state_dict(), folder + "/old.pt", _use_new_zipfile_serialization=False)
        """, [folder.path])
    let file = try TorchFile(path: folder.file("nested.ckpt"))
    let expected = (0..<24).map { Float($0) / 8 }
    func floats(_ name: String) throws -> [Float] {
      try file.floats(try #require(file.tensors.first { $0.name == "state_dict." + name }))
    }
    for name in ["plain", "half", "brain", "double", "parameter"] {
      #expect(try floats(name) == expected, "\(name)")
    }
    #expect(
      try floats("transposed") == (0..<6).flatMap { c in (0..<4).map { expected[$0 * 6 + c] } })
    #expect(try floats("part") == [8, 9, 10, 14, 15, 16].map { Float($0) / 8 })
    #expect(try floats("scalar") == [3 / 8])
    #expect(try floats("empty").isEmpty)
    #expect(throws: TorchFileError.self) { _ = try floats("integers") }
    let script = try TorchFile(path: folder.file("script.jit"))
    let weight = try #require(script.tensors.first { $0.name == "0.conv.weight" })
    let numbers = output.split(whereSeparator: \.isWhitespace).compactMap { Float($0) }
    #expect(try script.floats(weight) == numbers && numbers.count == 6)
    #expect(throws: TorchFileError.older(folder.file("old.pt"))) {
      _ = try TorchFile(path: folder.file("old.pt"))
    }
  }
}
