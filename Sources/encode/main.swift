import ArgumentParser
import Commands

EncodeCommand.main()
