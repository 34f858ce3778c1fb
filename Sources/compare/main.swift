import ArgumentParser
import Commands

CompareCommand.main()
