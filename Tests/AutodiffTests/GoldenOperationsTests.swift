import Autodiff
import TestSupport
import Testing
import Tokenizers

/// Single operations and their gradients against PyTorch's, through the whole engine.
struct GoldenOperationsTests {
  static let cases: [GoldenCase] = (try? GoldenCase.all()) ?? []

  @Test func allCasesAreThere() {
    #expect(Self.cases.count == 29)
    #expect(Self.cases.filter { $0.quantizer == nil }.count == 23)
  }

  @Test(arguments: cases.filter { $0.quantizer == nil })
  func valueAndGradientsAreThoseOfPyTorch(_ golden: GoldenCase) throws {
    let graph = Graph()
    let tensors = golden.inputs.map { graph.input($0.name, $0.layout.shape($0.shape)) }
    let y = try #require(golden.build(tensors), "no operation is named \(golden.operation)")
    let outputShape = try golden.file.shape(golden.name + ".y")
    let weights = graph.input("g", y.shape)
    let gradients = graph.differentiate((y * weights).sum(), withRespectTo: tensors)
    var outputs = ["y": y]
    for (input, gradient) in zip(golden.inputs, gradients) { outputs["d" + input.name] = gradient }

    var inputs = ["g": golden.outputLayout.ours(golden.upstream(outputShape), outputShape)]
    for input in golden.inputs { inputs[input.name] = input.layout.ours(input.values, input.shape) }
    let results = GraphRun(graph, outputs: outputs).run(inputs)

    #expect(results.count == golden.inputs.count + 1)
    let value = golden.outputLayout.theirs(results["y"]!, outputShape)
    #expect(largestDifference(value, try golden.file.numbers(golden.name + ".y")) < 2e-5)
    for input in golden.inputs {
      let gradient = input.layout.theirs(results["d" + input.name]!, input.shape)
      let expected = try golden.file.numbers(golden.name + ".d" + input.name)
      #expect(largestDifference(gradient, expected) < 5e-5, "gradient of \(input.name)")
    }
  }

  @Test(arguments: cases.filter { $0.quantizer == .vector })
  func vectorQuantizerIsThatOfPyTorch(_ golden: GoldenCase) throws {
    let settings = golden.parameters
    let (codebookWeight, commitmentWeight) = (
      try #require(settings["codebookWeight"] as? Double),
      try #require(settings["commitmentWeight"] as? Double)
    )
    let (z, codebook) = (golden.inputs[0], golden.inputs[1])
    let graph = Graph()
    let quantizer = VectorQuantizer(
      VectorConfiguration(
        codebookSize: codebook.shape[0], codeDimension: codebook.shape[1],
        gradient: settings["gradient"] as? String == "rotation" ? .rotation : .straightThrough,
        codebookWeight: codebookWeight, commitmentWeight: commitmentWeight),
      in: Scope(graph))
    let vectors = graph.input("z", Shape(z.shape))
    let weights = graph.input("g", Shape(z.shape))
    let quantized = quantizer.quantize(vectors)
    let auxiliary = try #require(quantized.auxiliaryLoss)
    let loss = (quantized.codes * weights).sum() + auxiliary
    let dz = graph.differentiate(loss, withRespectTo: [vectors])[0]
    let error = try #require(quantized.statistics["quantizationError"])
    let run = GraphRun(
      graph,
      outputs: [
        "q": quantized.codes, "indices": quantized.indices, "auxiliary": auxiliary, "dz": dz,
        "error": error,
      ])
    run.set("embedding.weight", codebook.values)
    let results = run.run(["z": z.values, "g": golden.upstream(z.shape)])

    func expected(_ name: String) throws -> [Float] {
      try golden.file.numbers(golden.name + "." + name)
    }
    let (codebookLoss, commitmentLoss) = (
      try expected("codebookLoss")[0], try expected("commitmentLoss")[0]
    )
    #expect(results["indices"] == (try expected("indices")))
    #expect(largestDifference(results["q"]!, try expected("q")) < 1e-6)
    #expect(abs(results["error"]![0] - commitmentLoss) < 1e-6)
    let total = Float(codebookWeight) * codebookLoss + Float(commitmentWeight) * commitmentLoss
    #expect(abs(results["auxiliary"]![0] - total) < 1e-6)
    #expect(largestDifference(results["dz"]!, try expected("dz")) < 2e-6)
    let dCodebook = try #require(run.gradients()["embedding.weight"])
    if codebookWeight > 0 {
      #expect(largestDifference(dCodebook, try expected("dcodebook")) < 2e-6)
    } else {
      #expect(dCodebook.allSatisfy { $0 == 0 })
    }
  }

  /// The file's sigmoid code lies in [0, 1], the engine's in [-1, 1]: `ours = 2 theirs - 1`.
  @Test(arguments: cases.filter { $0.quantizer == .finiteScalar })
  func finiteScalarQuantizerIsThatOfPyTorch(_ golden: GoldenCase) throws {
    let isSigmoid = golden.operation == "finiteScalarSigmoid"
    let levels = try #require(golden.parameters["levels"] as? [Int])
    let input = golden.inputs[0]
    let graph = Graph()
    let quantizer = FiniteScalarQuantizer(
      FiniteScalarConfiguration(levels: levels, bound: isSigmoid ? .sigmoid : .tanh))
    let vectors = graph.input("z", Shape(input.shape))
    let weights = graph.input("g", Shape(input.shape))
    let quantized = quantizer.quantize(vectors)
    let again = quantizer.codes(of: quantized.indices)
    let dz = graph.differentiate((quantized.codes * weights).sum(), withRespectTo: [vectors])[0]
    let results = GraphRun(
      graph,
      outputs: ["code": quantized.codes, "indices": quantized.indices, "dz": dz, "again": again]
    ).run([
      "z": input.values, "g": golden.upstream(input.shape).map { isSigmoid ? $0 / 2 : $0 },
    ])

    let code = results["code"]!.map { isSigmoid ? ($0 + 1) / 2 : $0 }
    #expect(results["indices"] == (try golden.file.numbers(golden.name + ".indices")))
    #expect(largestDifference(code, try golden.file.numbers(golden.name + ".code")) < 1e-6)
    #expect(largestDifference(results["dz"]!, try golden.file.numbers(golden.name + ".dz")) < 5e-6)
    #expect(results["again"] == results["code"])
    #expect(quantized.auxiliaryLoss == nil)
  }
}
