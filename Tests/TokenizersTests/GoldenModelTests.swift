import Autodiff
import Execution
import TestSupport
import Testing
import Tokenizers

/// The whole autoencoder against the `VQModel` of diffusers with the same weights.
struct GoldenModelTests {
  static let files = ["vqmodel-two-levels", "vqmodel-three-levels-attention"]

  @Test(arguments: files)
  func latentsTokensPixelsLossesAndGradientsAgree(_ name: String) throws {
    let model = try GoldenModel(name)
    let graph = Graph()
    let tokenizer = Tokenizer(model.configuration, in: Scope(graph))
    let images = graph.input("images", Shape(try model.imageShape))
    let latents = tokenizer.latents(of: images)
    let quantized = tokenizer.bottleneck.quantize(latents)
    let decoded = tokenizer.decode(quantized.codes)
    let reconstruction = meanSquaredError(decoded, images)
    let auxiliary = try #require(quantized.auxiliaryLoss)
    graph.differentiate(reconstruction + auxiliary)
    let error = try #require(quantized.statistics["quantizationError"])
    let run = GraphRun(
      graph,
      outputs: [
        "latents": latents, "indices": quantized.indices, "decoded": decoded,
        "reconstruction": reconstruction, "auxiliary": auxiliary, "error": error,
      ])
    for (name, numbers) in model.weights { run.set(name, numbers) }
    let results = run.run(["images": try model.images])

    #expect(largestDifference(results["latents"]!, try model.image("latents")) < 1e-4)
    #expect(results["indices"] == (try model.file.numbers("indices")))
    #expect(largestDifference(results["decoded"]!, try model.image("decoded")) < 1e-4)

    let losses = try model.file.numbers("losses")
    #expect(abs(results["reconstruction"]![0] - losses[0]) < 1e-5)
    #expect(abs(results["error"]![0] - losses[2]) < 1e-5)
    #expect(abs(results["auxiliary"]![0] - (losses[1] + losses[2] / 4)) < 1e-5)

    let gradients = run.gradients()
    let norms = try model.file.numbers("gradient.norms")
    let projections = try model.file.numbers("gradient.projections")
    for (index, (name, _)) in model.parameters.enumerated() {
      let gradient = try #require(gradients[name])
      let direction = HashedNumbers.values(name + ".direction", count: gradient.count)
      let norm = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      let projection = zip(gradient, direction).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
      let tolerance = 2e-5 + 1e-4 * Double(norms[index])
      #expect(abs(norm - Double(norms[index])) < tolerance, "norm of \(name)")
      #expect(abs(projection - Double(projections[index])) < tolerance, "projection of \(name)")
    }
  }

  /// A snapshot: checkpoints load by these names.
  @Test(arguments: files)
  func namesAndShapesAreThoseOfDiffusers(_ name: String) throws {
    let model = try GoldenModel(name)
    let graph = Graph()
    _ = Tokenizer(model.configuration, in: Scope(graph))
    let ours = graph.parameters.map { "\($0.name) \($0.fileShape)" }.sorted()
    let theirs = model.parameters.map { "\($0.name) \(Shape($0.shape))" }.sorted()
    #expect(ours == theirs)
  }

  /// What the comparison rests on: the stored image is the one that the rule gives.
  @Test(arguments: files)
  func theRuleGivesTheStoredImage(_ name: String) throws {
    let model = try GoldenModel(name)
    #expect(try model.images == (try model.image("image")))
  }

  /// The decoder fed with tokens alone yields the pixels of the whole pass, to the last bit.
  @Test func tokensDecodeToThePixelsOfTheWholePass() throws {
    let model = try GoldenModel(Self.files[0])
    let graph = Graph()
    let tokenizer = Tokenizer(model.configuration, in: Scope(graph))
    let result = tokenizer(graph.input("images", Shape(try model.imageShape)))
    let tokens = graph.input("tokens", result.quantized.indices.shape, type: .index)
    let again = tokenizer.decode(tokenizer.bottleneck.codes(of: tokens))
    let run = GraphRun(graph, outputs: ["decoded": result.images, "again": again])
    for (name, numbers) in model.weights { run.set(name, numbers) }
    let results = run.run([
      "images": try model.images, "tokens": try model.file.numbers("indices"),
    ])
    #expect(results["decoded"] == results["again"])
  }
}
