import Autodiff
import Execution
import Tokenizers

extension ParameterMemory {
  /// The decoder input of each token: `[codebookSize, codeDimension]`; for tokens
  /// of a depth of 1.
  ///
  /// - Parameter configuration: the tokenizer whose weights these are.
  public func codes(of configuration: TokenizerConfiguration) -> [Float] {
    precondition(configuration.quantizer.depth == 1, "tokens of several indices have no table")
    let count = configuration.quantizer.codebookSize
    let graph = Graph()
    let tokenizer = Tokenizer(configuration, in: Scope(graph))
    let indices = graph.input("indices", [1, 1, count], type: .index)
    let plan = Plan(graph, outputs: ["codes": tokenizer.bottleneck.codes(of: indices)], on: backend)
    let session = Session(plan, parameters: self, lanes: 1, pool: LanePool(threads: 1))
    session.feed = { $0.write("indices", (0..<count).map(Int32.init)) }
    nonisolated(unsafe) var codes = [Float](
      repeating: 0, count: count * configuration.quantizer.codeDimension)
    session.collect = { $0.read("codes", intoWords: &codes) }
    session.run(items: 1)
    return codes
  }
}
